/**
 * doran: small language models in the reader's own browser. This file is the public API; what is not here is private.
 *
 * @packageDocumentation
 */
export { Engine } from "./engine.js";
export { DoranError } from "./errors.js";
export type { ErrorCode, ErrorData } from "./errors.js";
export type {
  AdapterInfo, AssetOptions, Backend, ChatTemplateOptions, Counters, EmbedOptions, EngineStats, Finish, FinishReason, Generation,
  GenerateInput, GenerateOptions, Kernels, KernelTime, KernelTrial, KvCache, LoadFacts, LoadOptions, LoadTimes, Logits, Message, ModelFile, ModelInfo, ModelKind,
  ModelSource, Phase, Pooling, Precision,
  PrefillProgress, Progress, StorageEstimate, StoredModel, Support, Token, Tuning, Usage,
} from "./types.js";
export type { CatalogueEntry, CatalogueLicense, Fact, KnownFact, UnknownFact, UnverifiedSource } from "./catalogue.js";
