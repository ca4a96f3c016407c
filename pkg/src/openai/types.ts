/** The OpenAI API's requests and answers, as far as a model in a page has them, and what is added to them. */
import type { ChatMessage, Tool } from "../chat/types.js";
import type { AdapterUse, ContextPolicy, PrefillProgress } from "../types.js";

/** What both kinds of completions take. `null` means what leaving it out means. */
export interface SamplingFields {
  /** Any name: an engine has one model. */
  readonly model?: string | null;
  readonly temperature?: number | null;
  readonly top_p?: number | null;
  readonly seed?: number | null;
  readonly stop?: string | readonly string[] | null;
  readonly max_tokens?: number | null;
  readonly frequency_penalty?: number | null;
  readonly presence_penalty?: number | null;
  readonly logit_bias?: Readonly<Record<string, number>> | null;
  /** Answers, one after the other. The seed of each is one more than that of the one before. */
  readonly n?: number | null;
  readonly stream?: boolean | null;
  readonly stream_options?: { readonly include_usage?: boolean } | null;
  /** Beyond the OpenAI API, as llama.cpp and vLLM have them. */
  readonly top_k?: number | null;
  readonly min_p?: number | null;
  readonly repetition_penalty?: number | null;
  /** LoRA adapters of this request. */
  readonly adapters?: readonly AdapterUse[] | null;
  /** The address of a module that changes logits (`logitsHook` of `generate`). */
  readonly logits_hook?: string | URL | null;
}

/** What an answer must look like. `regex` and `grammar` (Lark) are beyond the OpenAI API. */
export type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object" }
  | { readonly type: "json_schema"; readonly json_schema: { readonly name?: string; readonly description?: string; readonly schema?: Readonly<Record<string, unknown>>; readonly strict?: boolean | null } }
  | { readonly type: "regex"; readonly regex: string }
  | { readonly type: "grammar"; readonly grammar: string };

/** A request for a chat completion. */
export interface ChatCompletionRequest extends SamplingFields {
  readonly messages: readonly ChatMessage[];
  readonly max_completion_tokens?: number | null;
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
  readonly response_format?: ResponseFormat | null;
  readonly tools?: readonly Tool[] | null;
  readonly tool_choice?: "none" | "auto" | "required" | { readonly type: "function"; readonly function: { readonly name: string } } | null;
  readonly parallel_tool_calls?: boolean | null;
  /** For models whose chat template knows how much to think. */
  readonly reasoning_effort?: string | null;
  /** Variables for the chat template, such as `enable_thinking`. */
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>> | null;
  /** The last message is the assistant's, and the answer goes on with it. */
  readonly continue_final_message?: boolean | null;
}

/** A request for a completion of a text, as it is. */
export interface CompletionRequest extends SamplingFields {
  readonly prompt: string | readonly string[] | readonly number[];
  /** The log-probabilities of so many of the likeliest tokens. */
  readonly logprobs?: number | null;
}

/** A request for embeddings. */
export interface EmbeddingRequest {
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly model?: string | null;
  /** The default is `"float"`. */
  readonly encoding_format?: "float" | "base64" | null;
}

/** What a request took. */
export interface CompletionUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
  readonly completion_tokens_details: { readonly reasoning_tokens: number };
}

/** Why an answer ended. */
export type OpenAiFinish = "stop" | "length" | "tool_calls";

/** A token and its log-probability. `bytes` are those that it adds to a text. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

/** The log-probabilities of a piece of an answer. */
export interface ChoiceLogprobs {
  readonly content: readonly (TokenLogprob & { readonly top_logprobs: readonly TokenLogprob[] })[];
  readonly refusal: null;
}

/** A call, whole. */
export interface CompletionToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A chat completion. */
export interface ChatCompletion {
  readonly id: string;
  readonly object: "chat.completion";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: {
      readonly role: "assistant";
      readonly content: string | null;
      readonly refusal: null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly CompletionToolCall[];
    };
    readonly logprobs: ChoiceLogprobs | null;
    readonly finish_reason: OpenAiFinish;
  }[];
  readonly usage: CompletionUsage;
}

/** What a chunk adds to a choice. */
export interface ChunkDelta {
  readonly role?: "assistant";
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly {
    readonly index: number;
    readonly id?: string;
    readonly type?: "function";
    readonly function: { readonly name?: string; readonly arguments?: string };
  }[];
}

/** A piece of a chat completion. The last one has no choices and all usage, where `stream_options.include_usage` asks for it. */
export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly delta: ChunkDelta;
    readonly logprobs: ChoiceLogprobs | null;
    readonly finish_reason: OpenAiFinish | null;
  }[];
  readonly usage?: CompletionUsage | null;
}

/** Log-probabilities in the form of text completions. */
export interface TextLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  readonly top_logprobs: readonly Readonly<Record<string, number>>[];
  readonly text_offset: readonly number[];
}

/** A completion of a text, or a piece of one. */
export interface Completion {
  readonly id: string;
  readonly object: "text_completion";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly text: string;
    readonly logprobs: TextLogprobs | null;
    readonly finish_reason: OpenAiFinish | null;
  }[];
  readonly usage?: CompletionUsage | null;
}

/** Embeddings, in the order of the inputs. */
export interface EmbeddingResponse {
  readonly object: "list";
  readonly model: string;
  readonly data: readonly { readonly object: "embedding"; readonly index: number; readonly embedding: readonly number[] | string }[];
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number };
}

/** Options of a call: what the OpenAI API has no fields for, as `generate` takes it. */
export interface RequestOptions {
  /** Ends the answer; the promise, or the stream, rejects with `signal.reason`. */
  readonly signal?: AbortSignal | null;
  /** Called while a long prompt is read. Not for embeddings. */
  readonly onPrefill?: (progress: PrefillProgress) => void;
  /** What happens where the context has no more room; the default is `"error"`. Not for embeddings. */
  readonly contextPolicy?: ContextPolicy;
}
