/// <reference lib="esnext.disposable" preserve="true" />
/** The types of answers, embeddings, and what is asked of texts. */
import type { AdapterUse } from "./load.js";

/** Options of `engine.logits`. */
export interface LogitsOptions extends NllOptions {
  /** Where a model reads a text and answers it: how the answer begins. */
  readonly answer?: Uint32Array | readonly number[];
}

/** Options of `engine.nll`. */
export interface NllOptions {
  /** The adapters that the model runs with. */
  readonly adapters?: readonly AdapterUse[];
}

/** One turn of a conversation, as the model's chat template takes it. */
export interface Message {
  readonly role: "system" | "user" | "assistant" | "tool" | (string & {});
  readonly content: string;
  /** What else the template knows, such as `tool_calls`. */
  readonly [field: string]: unknown;
}

/** What `generate` continues: a conversation (by the chat template), a text as it is, or token ids as they are. */
export type GenerateInput = readonly Message[] | string | Uint32Array;

/** Options of `generate`. Without any, tokens are drawn from the model's own distribution. */
export interface GenerateOptions {
  /** 0 is greedy: always the likeliest token. The default is 1. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Added to the logits, by token id. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Only these tokens may be drawn: for a choice among few answers. End tokens too are forbidden unless they are named. */
  readonly allowedTokenIds?: readonly number[];
  /** The same seed gives the same text on the same machine; without one each answer draws anew. */
  readonly seed?: number;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[];
  /** Tokens of the answer at most; the default is 1024. */
  readonly maxTokens?: number;
  /** Go on after end tokens; for measuring. */
  readonly ignoreEos?: boolean;
  /** Give each token's log probability. */
  readonly logprobs?: boolean;
  /** Give those of so many of the likeliest tokens at each place too, 20 at most. */
  readonly topLogprobs?: number;
  /** Show special tokens in the text, such as those that begin a tool call; end tokens are never shown. */
  readonly specialTokens?: boolean;
  /**
   * What the answer must look like. Tokens that would break it cannot be drawn; the answer ends where it is whole, or at `maxTokens`.
   * The first use fetches a module of its own. Rejects with `schema_unsatisfiable` if nothing is of that form, and with `bad_argument`
   * for a schema, pattern or grammar that is malformed, too large, or asks for what is not supported.
   */
  readonly format?: OutputFormat;
  /**
   * A module whose default export changes the logits before each token ({@link LogitsHook}). It is imported and runs in the worker, so
   * it must be of the page's origin, or allowed by its Content-Security-Policy. Answers with a hook are slower: all logits are read back.
   */
  readonly logitsHook?: string | URL;
  /** Functions that the chat template tells the model of, as it takes them. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  /** More variables for the chat template, such as `enable_thinking`. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  /** The answer goes on with the last message, as the assistant had begun it. */
  readonly continueFinalMessage?: boolean;
  /** Called with each token as it comes, before it is read. */
  readonly onToken?: (token: Token) => void;
  /** What happens where the context has no more room; the default is `"error"`. */
  readonly contextPolicy?: ContextPolicy;
  /**
   * The LoRA adapters that the model answers with, each as strongly as its `scale` says. An answer with others than the one before,
   * or other scales, reads its prompt from the beginning.
   */
  readonly adapters?: readonly AdapterUse[];
  /** Called while a long prompt is read; short ones, and those that the cache still holds, give no call. */
  readonly onPrefill?: (progress: PrefillProgress) => void;
  /** Ends the generation; the iterator rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/**
 * What happens where the context has no more room. `"error"`: a prompt that leaves no room for an answer is refused with
 * `context_overflow`, and an answer that reaches the end of the context ends there (`finishReason: "length"`).
 *
 * `"slide"`: the oldest leaves. Of messages the oldest turn as a whole: a message of the user and all that follow it until the next.
 * System messages and the last turn stay; where no other turn is left it is as with `"error"`. Of a text or ids, tokens: the newest
 * three quarters of the context stay, behind the token that begins texts. What stays is read anew, from where it differs on, and the
 * answer goes on as it would after a prompt of just that; `onPrefill` may be called again, and `usage.droppedTokens` says how much
 * left. Not for models that read a text apart from their answer (T5, Blenderbot).
 */
export type ContextPolicy = "error" | "slide";

/**
 * What an answer must look like: JSON of any kind or of a JSON Schema, a text that a regular expression matches as a whole, or one of a
 * Lark grammar (in llguidance's dialect).
 */
export type OutputFormat =
  | { readonly type: "json_object" }
  | { readonly type: "json_schema"; readonly schema: Readonly<Record<string, unknown>> | boolean }
  | { readonly type: "regex"; readonly pattern: string }
  | { readonly type: "lark"; readonly grammar: string };

/** Changes `logits` of the token after `ids` (prompt and answer so far) in place. −Infinity forbids a token. */
export type LogitsHook = (logits: Float32Array, ids: Uint32Array) => void;

/** How far a prompt is read. */
export interface PrefillProgress {
  /** Tokens of the prompt that are read, those included that the cache held. */
  readonly promptTokensDone: number;
  /** Tokens of the whole prompt. */
  readonly promptTokens: number;
}

/** One token of an answer. `text` may be empty while a character is not whole. */
export interface Token {
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of the token's probability, where asked for. */
  readonly logprob?: number | undefined;
  /** With `logprobs`: the bytes that the token adds to a text, often no whole character. */
  readonly bytes?: Uint8Array | undefined;
  /** With `topLogprobs`: the likeliest tokens at this place, likeliest first. */
  readonly topLogprobs?: readonly LikelyToken[] | undefined;
  readonly finishReason?: undefined;
  readonly usage?: undefined;
}

/** A token that could have come. */
export interface LikelyToken {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly logprob: number;
}

/** The last item of an answer. `text` is what was still held back, and may be empty. */
export interface Finish {
  readonly id?: undefined;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
}

/** Why an answer ended. */
export type FinishReason = "stop" | "length" | "aborted" | (string & {});

/** What an answer took. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens that were still in the KV cache from the call before. */
  readonly cachedTokens: number;
  /** Tokens that had to leave the context (`contextPolicy: "slide"`): of the prompt before it was read, and of both later. */
  readonly droppedTokens: number;
  readonly totalTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/**
 * A running answer: tokens, then one `Finish`. It starts at the first `next()`; leaving a `for await` stops it.
 * It can be read once.
 */
export interface Generation extends AsyncIterableIterator<Token | Finish, undefined> {
  /** Stops the answer; resolves when the engine is free again. */
  return(): Promise<IteratorResult<Token | Finish, undefined>>;
  /** As `return`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** End with the words that begin an answer; the default is `true`. */
  readonly addGenerationPrompt?: boolean;
  /** Functions that the template tells the model of. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  /** More variables for the template. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  /** End in the last message, which an answer would go on with. */
  readonly continueFinalMessage?: boolean;
}

/** Which row stands for a text: the mean of all its tokens' rows, or the row of the first, which is BERT's `[CLS]`. */
export type Pooling = "mean" | "cls";

/** Options of `engine.embed`. All are optional. */
export interface EmbedOptions {
  /** As the model was trained; the default is what its files say (`info.pooling`), or else `"mean"`. */
  readonly pooling?: Pooling;
  /** Divide each vector by its length, so that a dot product is a cosine; the default is `true`. */
  readonly normalize?: boolean;
  /** Ends the call between two texts or sooner; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What a model says of the tokens that could follow. */
export interface Logits {
  /** Over the vocabulary, after the last token. */
  readonly lastLogits: Float32Array;
  /** The likeliest next token at each position. */
  readonly top1: Uint32Array;
}
