/** `engine.completions`: texts gone on with as they are. */
import type { Engine } from "../engine.js";
import type { GenerateInput, GenerateOptions, Token, Usage } from "../types.js";
import { headOf, textLogprobs, usageOf } from "./answers.js";
import { finishOf } from "./chat.js";
import { badField, checkFields, countOf, samplingOptions, seedOf } from "./fields.js";
import { CompletionStream } from "./stream.js";
import type { Completion, CompletionRequest, OpenAiFinish, RequestOptions } from "./types.js";

/** Tokens of an answer where the caller does not say, as the API has it. */
const DEFAULT_MAX_TOKENS = 16;

/** Refuses fields that are not supported. */
export function checkTextRequest(body: unknown): asserts body is CompletionRequest {
  checkFields(body, ["prompt", "logprobs"]);
}

/** A completion, whole or in pieces. */
export function createCompletion(engine: Engine, request: CompletionRequest, { signal, ...beyond }: RequestOptions = {}): Promise<Completion | CompletionStream<Completion>> {
  checkTextRequest(request);
  const prompts = promptsOf(request.prompt);
  const n = countOf(request.n);
  const top = request.logprobs ?? undefined;
  const options: GenerateOptions = {
    ...samplingOptions(request, request.max_tokens ?? DEFAULT_MAX_TOKENS), ...(top === undefined ? {} : { logprobs: true, topLogprobs: top }), ...beyond,
  };
  signal?.throwIfAborted();
  const wantsUsage = request.stream === true && request.stream_options?.include_usage === true;
  const stream = new CompletionStream((stopped) => pieces(engine, prompts, n, { ...options, signal: stopped }, wantsUsage || request.stream !== true), signal);
  return request.stream === true ? Promise.resolve(stream) : whole(stream);
}

function promptsOf(prompt: unknown): readonly GenerateInput[] {
  if (typeof prompt === "string") return [prompt];
  if (Array.isArray(prompt) && prompt.length > 0) {
    if (prompt.every((one) => typeof one === "string")) return prompt;
    if (prompt.every((one) => typeof one === "number")) return [Uint32Array.from(prompt)];
  }
  throw badField("prompt", "prompt is a text, a list of texts, or a list of token ids");
}

/** The pieces of all answers, in order; usage in the last, where it is wanted. */
async function* pieces(engine: Engine, prompts: readonly GenerateInput[], n: number, options: GenerateOptions, wantsUsage: boolean): AsyncGenerator<Completion, undefined, undefined> {
  const head = { ...headOf(engine, "cmpl"), object: "text_completion" as const };
  const wantsLogprobs = options.logprobs === true;
  const usages: Usage[][] = [];
  for (const [p, prompt] of prompts.entries()) {
    const ofPrompt: Usage[] = [];
    for (let i = 0; i < n; i += 1) {
      const index = p * n + i;
      let offset = 0;
      let held: Token[] = [];
      for await (const item of engine.generate(prompt, seedOf(options, i))) {
        const finish: OpenAiFinish | null = item.finishReason === undefined ? null : finishOf(item.finishReason);
        if (item.finishReason === undefined) held.push(item);
        else ofPrompt.push(item.usage);
        if (item.text === "" && finish === null) continue;
        const logprobs = wantsLogprobs ? textLogprobs(held, offset) : null;
        offset += item.text.length;
        held = [];
        yield { ...head, choices: [{ index, text: item.text, logprobs, finish_reason: finish }] };
      }
    }
    usages.push(ofPrompt);
  }
  if (!wantsUsage) return;
  const each = usages.map((ofPrompt) => usageOf(ofPrompt.map((usage) => ({ usage, reasoningTokens: 0 }))));
  const sum = (of: (usage: (typeof each)[number]) => number): number => each.reduce((total, usage) => total + of(usage), 0);
  yield {
    ...head, choices: [],
    usage: {
      prompt_tokens: sum((usage) => usage.prompt_tokens), completion_tokens: sum((usage) => usage.completion_tokens),
      total_tokens: sum((usage) => usage.total_tokens),
      prompt_tokens_details: { cached_tokens: sum((usage) => usage.prompt_tokens_details.cached_tokens) },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  };
}

/** All pieces as one. */
async function whole(stream: CompletionStream<Completion>): Promise<Completion> {
  const choices: Completion["choices"][number][] = [];
  let last: Completion | undefined;
  for await (const piece of stream) {
    last = piece;
    for (const { index, text, logprobs, finish_reason: finish } of piece.choices) {
      const before = choices[index];
      choices[index] = {
        index, text: (before?.text ?? "") + text, finish_reason: finish,
        logprobs: logprobs === null || before === undefined || before.logprobs === null ? logprobs : {
          tokens: [...before.logprobs.tokens, ...logprobs.tokens], token_logprobs: [...before.logprobs.token_logprobs, ...logprobs.token_logprobs],
          top_logprobs: [...before.logprobs.top_logprobs, ...logprobs.top_logprobs], text_offset: [...before.logprobs.text_offset, ...logprobs.text_offset],
        },
      };
    }
  }
  if (last === undefined) throw badField("prompt", "there was nothing to complete");
  return { ...last, choices };
}
