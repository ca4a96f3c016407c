/** The OpenAI API's names on an engine. What is behind them is fetched by the first call. */
import type { Engine } from "../engine.js";
import type { CompletionStream } from "./stream.js";
import type {
  ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, Completion, CompletionRequest, EmbeddingRequest, EmbeddingResponse, RequestOptions,
} from "./types.js";

/** `engine.chat`. */
export interface ChatNamespace {
  /** Chat completions. */
  readonly completions: ChatCompletionsNamespace;
}

/**
 * Answers conversations, whole or, with `stream: true`, in pieces.
 *
 * Rejects with `unsupported_parameter` (data: `parameter`) for a field that is not supported: none is ignored. Otherwise as
 * {@link Engine.generate}; `tools_unsupported` and `schema_unsatisfiable` where tools or `response_format` ask for what cannot be.
 */
export interface ChatCompletionsNamespace {
  /** An answer in pieces. */
  create(request: ChatCompletionRequest & { readonly stream: true }, options?: RequestOptions): Promise<CompletionStream<ChatCompletionChunk>>;
  /** A whole answer. */
  create(request: ChatCompletionRequest & { readonly stream?: false | null }, options?: RequestOptions): Promise<ChatCompletion>;
  /** Either, as `stream` says. */
  create(request: ChatCompletionRequest, options?: RequestOptions): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>>;
}

/** Goes on with texts, as they are; whole or, with `stream: true`, in pieces. Rejects as chat completions do. */
export interface CompletionsNamespace {
  /** A completion in pieces. */
  create(request: CompletionRequest & { readonly stream: true }, options?: RequestOptions): Promise<CompletionStream<Completion>>;
  /** A whole completion. */
  create(request: CompletionRequest & { readonly stream?: false | null }, options?: RequestOptions): Promise<Completion>;
  /** Either, as `stream` says. */
  create(request: CompletionRequest, options?: RequestOptions): Promise<Completion | CompletionStream<Completion>>;
}

/** Embeddings. */
export interface EmbeddingsNamespace {
  /** The vectors of texts, by an encoder. Rejects as {@link Engine.embed} does. */
  create(request: EmbeddingRequest, options?: RequestOptions): Promise<EmbeddingResponse>;
}

/** The names, for an engine. */
export function openAi(engine: Engine): { readonly chat: ChatNamespace; readonly completions: CompletionsNamespace; readonly embeddings: EmbeddingsNamespace } {
  const surface = (): Promise<typeof import("./index.js")> => import("./index.js");
  function chat(request: ChatCompletionRequest & { readonly stream: true }, options?: RequestOptions): Promise<CompletionStream<ChatCompletionChunk>>;
  function chat(request: ChatCompletionRequest & { readonly stream?: false | null }, options?: RequestOptions): Promise<ChatCompletion>;
  function chat(request: ChatCompletionRequest, options?: RequestOptions): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>>;
  async function chat(request: ChatCompletionRequest, options?: RequestOptions): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>> {
    return (await surface()).createChatCompletion(engine, request, options);
  }
  function text(request: CompletionRequest & { readonly stream: true }, options?: RequestOptions): Promise<CompletionStream<Completion>>;
  function text(request: CompletionRequest & { readonly stream?: false | null }, options?: RequestOptions): Promise<Completion>;
  function text(request: CompletionRequest, options?: RequestOptions): Promise<Completion | CompletionStream<Completion>>;
  async function text(request: CompletionRequest, options?: RequestOptions): Promise<Completion | CompletionStream<Completion>> {
    return (await surface()).createCompletion(engine, request, options);
  }
  return {
    chat: { completions: { create: chat } },
    completions: { create: text },
    embeddings: { create: async (request, options) => (await surface()).createEmbeddings(engine, request, options) },
  };
}
