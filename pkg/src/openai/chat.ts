/** `engine.chat.completions`. */
import { chat, type ChatEvent, type ChatFinish, type ChatRequest, type ToolChoice } from "../chat/events.js";
import type { Engine } from "../engine.js";
import { isRecord } from "../errors.js";
import type { Token, Usage } from "../types.js";
import { chatLogprobs, headOf, usageOf } from "./answers.js";
import { checkFields, countOf, formatOf, samplingOptions, seedOf, unsupportedParameter } from "./fields.js";
import { CompletionStream } from "./stream.js";
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ChunkDelta, CompletionToolCall, OpenAiFinish, RequestOptions } from "./types.js";

const FIELDS = [
  "messages", "max_completion_tokens", "logprobs", "top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls",
  "reasoning_effort", "chat_template_kwargs", "continue_final_message",
];

/** A chat completion, whole or in pieces. */
export function createChatCompletion(
  engine: Engine, request: ChatCompletionRequest, { signal, ...beyond }: RequestOptions = {},
): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>> {
  const read = readRequest(engine, request);
  const asked = { ...read, options: { ...read.options, ...beyond } };
  const n = countOf(request.n);
  signal?.throwIfAborted();
  if (request.stream !== true) return whole(engine, asked, n, signal ?? undefined);
  const wantsUsage = request.stream_options?.include_usage === true;
  return Promise.resolve(new CompletionStream((stopped) => pieces(engine, withSignal(asked, stopped), n, wantsUsage), signal));
}

/** Refuses fields that are not supported. */
export function checkChatRequest(body: unknown): asserts body is ChatCompletionRequest {
  checkFields(body, FIELDS);
}

/** What a request asks of the model. Throws for what is not supported. */
export function readRequest(engine: Engine, request: ChatCompletionRequest): ChatRequest {
  checkChatRequest(request);
  const { messages, max_completion_tokens: limit, max_tokens: oldLimit, logprobs, top_logprobs: top, response_format: format } = request;
  const { tools, tool_choice: choice, parallel_tool_calls: parallel, continue_final_message: goesOn } = request;
  for (const [i, tool] of (tools ?? []).entries()) {
    if (tool.type !== "function") throw unsupportedParameter(`tools[${i}].type`, `cannot be ${JSON.stringify(tool.type)}`);
  }
  const shape = formatOf(format);
  const options = {
    ...samplingOptions(request, limit ?? oldLimit),
    ...(logprobs === true ? { logprobs: true, topLogprobs: top ?? 0 } : {}),
    ...(shape === undefined ? {} : { format: shape }),
  };
  return {
    messages, tools: tools ?? undefined, toolChoice: choiceOf(choice), parallelToolCalls: parallel ?? undefined,
    continueFinalMessage: goesOn ?? undefined, templateArgs: templateArgs(engine, request), options,
  };
}

function choiceOf(choice: ChatCompletionRequest["tool_choice"]): ToolChoice | undefined {
  if (choice === undefined || choice === null) return undefined;
  if (choice === "none" || choice === "auto" || choice === "required") return choice;
  const name: unknown = isRecord(choice) && isRecord(choice.function) ? choice.function.name : undefined;
  if (typeof name !== "string") throw unsupportedParameter("tool_choice", `cannot be ${JSON.stringify(choice)}`);
  return { name };
}

/** Variables for the template, with how much to think, where the template knows that. */
function templateArgs(engine: Engine, { chat_template_kwargs: given, reasoning_effort: effort }: ChatCompletionRequest): Readonly<Record<string, unknown>> | undefined {
  if (effort === undefined || effort === null) return given ?? undefined;
  const template = engine.info.chatTemplate ?? "";
  if (template.includes("reasoning_effort")) return { reasoning_effort: effort, ...given };
  if (template.includes("enable_thinking")) return { enable_thinking: effort !== "none", ...given };
  throw unsupportedParameter("reasoning_effort", "is of no use to this model: its chat template does not know it");
}

function withSignal(asked: ChatRequest, signal: AbortSignal | undefined): ChatRequest {
  return signal === undefined ? asked : { ...asked, options: { ...asked.options, signal } };
}

/** Answer `index` of several. */
function answer(engine: Engine, asked: ChatRequest, index: number): AsyncGenerator<ChatEvent, undefined, undefined> {
  return chat(engine, { ...asked, options: seedOf(asked.options ?? {}, index) });
}

/** A finish reason that the API has. */
export function finishOf(reason: ChatFinish): OpenAiFinish {
  if (reason === "length") return "length";
  return reason === "tool_calls" ? "tool_calls" : "stop";
}

async function whole(engine: Engine, asked: ChatRequest, n: number, signal: AbortSignal | undefined): Promise<ChatCompletion> {
  const head = headOf(engine, "chatcmpl");
  const choices: ChatCompletion["choices"][number][] = [];
  const ends: { usage: Usage; reasoningTokens: number }[] = [];
  const wantsLogprobs = asked.options?.logprobs === true;
  for (let index = 0; index < n; index += 1) {
    let content = "";
    let thoughts = "";
    let finish: OpenAiFinish = "stop";
    const tokens: Token[] = [];
    const calls: { id: string; name: string; arguments: string }[] = [];
    for await (const event of answer(engine, withSignal(asked, signal), index)) {
      switch (event.type) {
        case "text":
          content += event.text;
          tokens.push(...event.tokens ?? []);
          break;
        case "reasoning":
          thoughts += event.text;
          break;
        case "tool-call":
          calls.push({ id: event.id, name: event.name, arguments: "" });
          break;
        case "tool-arguments": {
          const call = calls[event.index];
          if (call !== undefined) call.arguments += event.text;
          break;
        }
        case "tool-end":
          break;
        case "finish":
          finish = finishOf(event.reason);
          ends.push(event);
          break;
      }
    }
    const toolCalls = calls.map((call): CompletionToolCall => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
    choices.push({
      index,
      message: {
        role: "assistant", content: content === "" && toolCalls.length > 0 ? null : content, refusal: null,
        ...(thoughts === "" ? {} : { reasoning_content: thoughts }), ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
      },
      logprobs: wantsLogprobs ? chatLogprobs(tokens) : null,
      finish_reason: finish,
    });
  }
  return { ...head, object: "chat.completion", choices, usage: usageOf(ends) };
}

async function* pieces(engine: Engine, asked: ChatRequest, n: number, wantsUsage: boolean): AsyncGenerator<ChatCompletionChunk, undefined, undefined> {
  const head = { ...headOf(engine, "chatcmpl"), object: "chat.completion.chunk" as const };
  const ends: { usage: Usage; reasoningTokens: number }[] = [];
  const usage = wantsUsage ? { usage: null } : {};
  const chunk = (index: number, delta: ChunkDelta, tokens?: readonly Token[], finish: OpenAiFinish | null = null): ChatCompletionChunk => (
    { ...head, choices: [{ index, delta, logprobs: chatLogprobs(tokens), finish_reason: finish }], ...usage }
  );
  for (let index = 0; index < n; index += 1) {
    let begun = false;
    for await (const event of answer(engine, asked, index)) {
      // Not before the model says something: what cannot be answered is an error, and no beginning.
      if (!begun) yield chunk(index, { role: "assistant", content: "" });
      begun = true;
      if (event.type === "finish") {
        ends.push(event);
        yield chunk(index, {}, undefined, finishOf(event.reason));
      } else {
        const delta = deltaOf(event);
        if (delta !== undefined) yield chunk(index, delta, event.type === "text" ? event.tokens : undefined);
      }
    }
  }
  if (wantsUsage) yield { ...head, choices: [], usage: usageOf(ends) };
}

function deltaOf(event: Exclude<ChatEvent, { type: "finish" }>): ChunkDelta | undefined {
  switch (event.type) {
    case "text": return { content: event.text };
    case "reasoning": return { reasoning_content: event.text };
    case "tool-call": return { tool_calls: [{ index: event.index, id: event.id, type: "function", function: { name: event.name, arguments: "" } }] };
    case "tool-arguments": return { tool_calls: [{ index: event.index, function: { arguments: event.text } }] };
    case "tool-end": return undefined;
  }
}
