/**
 * doran: small language models in the reader's own browser. This file is the public API; what is not here is private.
 *
 * @packageDocumentation
 */
export { Adapter } from "./adapter.js";
export type { AssetOptions } from "./client.js";
export { Engine } from "./engine.js";
export { DoranError } from "./errors.js";
export { PauseController } from "./pause.js";
export { createEngine, RemoteEngine } from "./remote.js";
export type { CreateEngineOptions, OpenAiChat, OpenAiClient, OpenAiCompletions, RemoteModel, RemoteReason } from "./remote.js";
export type { ErrorCode, ErrorData } from "./errors.js";
export type {
  Activations, AdapterInfo, AdapterOptions, AdapterUse, Backend, ChatTemplateOptions, ContextPolicy, Counters, DecodeSpeed, EmbedOptions, EngineStats, Finish,
  FinishReason, Generation,
  GenerateInput, GenerateOptions, Kernels, KernelTime, KernelTrial, KvCache, LoadFacts, LoadOptions, LikelyToken, LoadTimes, Logits, LogitsHook, LogitsOptions, Message, ModelFile, ModelInfo, ModelKind,
  ModelSource, NllOptions, OutputFormat, Phase, Pooling, Precision,
  PrefillProgress, Progress, Quantize, Role, StorageEstimate, StoredCheck, StoredModel, Support, Token, Tuning, Usage, Variants, VerifyOptions,
} from "./types.js";
export type { Adjustment, Candidate, FormatShare, GpuNeeds, Inspection, Verdict } from "./inspection.js";
export type { ChatCompletionsNamespace, ChatNamespace, CompletionsNamespace, EmbeddingsNamespace } from "./openai/surface.js";
export type {
  ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ChoiceLogprobs, ChunkDelta, Completion, CompletionRequest, CompletionToolCall, CompletionUsage,
  EmbeddingRequest, EmbeddingResponse, OpenAiFinish, RequestOptions, ResponseFormat, SamplingFields, TextLogprobs, TokenLogprob,
} from "./openai/types.js";
export type { CompletionStream } from "./openai/stream.js";
export type { ChatMessage, TextPart, Tool, ToolCall } from "./chat/types.js";
export type { CatalogueEntry, CatalogueLicense, Fact, KnownFact, UnknownFact, UnverifiedSource } from "./catalogue.js";
