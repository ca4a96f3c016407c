/**
 * `doran/ai-sdk`: engines as a provider of the AI SDK (the npm package `ai`).
 *
 * @packageDocumentation
 */
import type { EmbeddingModelV4, LanguageModelV4, ProviderV4 } from "@ai-sdk/provider";
import type { Engine } from "../engine.js";
import type { GenerateOptions } from "../types.js";
import { DoranEmbeddingModel } from "./embedding-model.js";
import { noSuchModel } from "./errors.js";
import { DoranLanguageModel } from "./language-model.js";

/**
 * An engine, the promise of one, or what loads one by the id that the page asks for. A loader is called once an id, at the first call of
 * such a model, and again after it failed. Whoever loads an engine unloads it.
 */
export type EngineSource = Engine | PromiseLike<Engine> | ((modelId: string) => Engine | PromiseLike<Engine>);

/** Options of `createDoran`. */
export interface DoranProviderOptions {
  /** What holds for every answer unless the call says otherwise, such as `adapters` or `maxTokens`. */
  readonly generate?: Omit<GenerateOptions, "signal" | "format">;
}

/** A provider of the AI SDK. Itself a function, as the SDK's own are. */
export interface DoranProvider extends ProviderV4 {
  /** A language model; without an id, the one of the engine. */
  (modelId?: string): LanguageModelV4;
  languageModel(modelId?: string): LanguageModelV4;
  /** A model that embeds texts: the engine must be of an encoder. */
  embeddingModel(modelId?: string): EmbeddingModelV4;
  /** As `embeddingModel`, by its former name. */
  textEmbeddingModel(modelId?: string): EmbeddingModelV4;
}

/**
 * Makes a provider of engines.
 *
 * @example
 * ```ts
 * const doran = createDoran(await Engine.load("hf:owner/name"));
 * const { textStream } = streamText({ model: doran(), prompt: "안녕하세요?" });
 *
 * const several = createDoran((modelId) => Engine.load(modelId));
 * await generateText({ model: several("hf:owner/name"), prompt: "Hello" });
 * ```
 */
export function createDoran(source: EngineSource, { generate = {} }: DoranProviderOptions = {}): DoranProvider {
  const loads = new Map<string, Promise<Engine>>();
  const engineOf = (modelId: string): Promise<Engine> => {
    if (typeof source !== "function") return Promise.resolve(source);
    const load = loads.get(modelId) ?? Promise.resolve(source(modelId));
    loads.set(modelId, load);
    load.catch(() => loads.delete(modelId));
    return load;
  };
  const named = (modelId: string | undefined): string => modelId ?? (typeof source === "object" && "info" in source ? source.info.name : "default");

  const languageModel = (modelId?: string): LanguageModelV4 => {
    const id = named(modelId);
    return new DoranLanguageModel(id, () => engineOf(id), generate);
  };
  const embeddingModel = (modelId?: string): EmbeddingModelV4 => {
    const id = named(modelId);
    return new DoranEmbeddingModel(id, () => engineOf(id));
  };
  return Object.assign((modelId?: string) => languageModel(modelId), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel,
    textEmbeddingModel: embeddingModel,
    imageModel(modelId: string): never {
      throw noSuchModel(modelId, "imageModel");
    },
  });
}
