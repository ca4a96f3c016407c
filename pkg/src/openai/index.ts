/**
 * The OpenAI API on an engine: `engine.chat.completions`, `engine.completions` and `engine.embeddings` load this by themselves;
 * `createFetch` gives it to the stock client.
 *
 * @packageDocumentation
 */
export { CompletionStream } from "./stream.js";
export { createChatCompletion } from "./chat.js";
export { createEmbeddings } from "./embeddings.js";
export { createFetch } from "./fetch.js";
export { createCompletion } from "./text.js";
export type { ChatMessage, TextPart, Tool, ToolCall } from "../chat/types.js";
export type {
  ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ChoiceLogprobs, ChunkDelta, Completion, CompletionRequest, CompletionToolCall, CompletionUsage,
  EmbeddingRequest, EmbeddingResponse, OpenAiFinish, RequestOptions, ResponseFormat, SamplingFields, TextLogprobs, TokenLogprob,
} from "./types.js";
