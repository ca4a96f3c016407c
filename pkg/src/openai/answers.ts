/** What chat and text completions have in common: their heads, usage and log-probabilities. */
import type { Engine } from "../engine.js";
import type { LikelyToken, Token, Usage } from "../types.js";
import type { ChoiceLogprobs, CompletionUsage, TextLogprobs, TokenLogprob } from "./types.js";

/** What all pieces of one answer have in common. */
export function headOf(engine: Engine, prefix: string): { readonly id: string; readonly created: number; readonly model: string } {
  return { id: `${prefix}-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: engine.info.name };
}

/** The usage of several answers to one prompt: the prompt counts once, and what the first found in the cache. */
export function usageOf(answers: readonly { readonly usage: Usage; readonly reasoningTokens: number }[]): CompletionUsage {
  const first = answers[0]?.usage;
  const completion = answers.reduce((sum, { usage }) => sum + usage.completionTokens, 0);
  const prompt = first?.promptTokens ?? 0;
  return {
    prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: first?.cachedTokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: answers.reduce((sum, answer) => sum + answer.reasoningTokens, 0) },
  };
}

const decoder = new TextDecoder();

function named({ bytes, logprob }: LikelyToken): TokenLogprob {
  return { token: decoder.decode(bytes), logprob, bytes: [...bytes] };
}

/** The log-probabilities of tokens, as chats have them. */
export function chatLogprobs(tokens: readonly Token[] | undefined): ChoiceLogprobs | null {
  if (tokens === undefined) return null;
  const content = tokens.flatMap(({ id, bytes, logprob, topLogprobs }) => (
    bytes === undefined || logprob === undefined ? [] : [{ ...named({ id, bytes, logprob }), top_logprobs: topLogprobs?.map(named) ?? [] }]
  ));
  return { content, refusal: null };
}

/** The log-probabilities of tokens, as completions of texts have them; the first begins `offset` characters into the text. */
export function textLogprobs(tokens: readonly Token[], offset: number): TextLogprobs {
  const names = tokens.map(({ bytes }) => decoder.decode(bytes));
  let at = offset;
  const offsets = names.map((name) => {
    const here = at;
    at += name.length;
    return here;
  });
  return {
    tokens: names,
    token_logprobs: tokens.map(({ logprob }) => logprob ?? 0),
    top_logprobs: tokens.map(({ topLogprobs = [] }) => Object.fromEntries(topLogprobs.map(({ bytes, logprob }) => [decoder.decode(bytes), logprob]))),
    text_offset: offsets,
  };
}
