/** An embedding model of the AI SDK over an encoder. */
import type { EmbeddingModelV4, EmbeddingModelV4CallOptions, EmbeddingModelV4Result, SharedV4Warning } from "@ai-sdk/provider";
import type { Engine } from "../engine.js";
import { isRecord } from "../errors.js";
import { until } from "../signals.js";
import type { EmbedOptions } from "../types.js";

/** See `EmbeddingModelV4` of `@ai-sdk/provider`. */
export class DoranEmbeddingModel implements EmbeddingModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "doran";
  readonly modelId: string;
  /** Texts go through the engine one after another, however many there are. */
  readonly maxEmbeddingsPerCall = Infinity;
  /** Calls of one engine take turns. */
  readonly supportsParallelCalls = false;
  readonly #engine: () => Promise<Engine>;

  constructor(modelId: string, engine: () => Promise<Engine>) {
    this.modelId = modelId;
    this.#engine = engine;
  }

  async doEmbed({ values, dimensions, abortSignal, providerOptions, headers }: EmbeddingModelV4CallOptions): Promise<EmbeddingModelV4Result> {
    abortSignal?.throwIfAborted();
    const warnings: SharedV4Warning[] = [];
    for (const name of Object.keys(headers ?? {})) {
      if (name.toLowerCase() !== "user-agent") warnings.push({ type: "unsupported", feature: `the header ${name}`, details: "nothing is sent anywhere" });
    }
    const own = toOptions(providerOptions?.["doran"], warnings);
    const engine = await until(abortSignal, this.#engine());
    const vectors = await engine.embed(values, { ...own, ...(abortSignal === undefined ? {} : { signal: abortSignal }) });
    const length = vectors[0]?.length;
    if (dimensions !== undefined && length !== undefined && dimensions !== length) {
      warnings.push({ type: "unsupported", feature: "dimensions", details: `the vectors of this model have ${length}` });
    }
    const counts = await Promise.all(values.map((value) => engine.countTokens(value)));
    return { embeddings: vectors.map((vector) => [...vector]), usage: { tokens: counts.reduce((sum, count) => sum + count, 0) }, warnings };
  }
}

/** What `providerOptions.doran` says of pooling. */
function toOptions(given: unknown, warnings: SharedV4Warning[]): EmbedOptions {
  const { pooling, normalize, ...rest } = isRecord(given) ? given : {};
  for (const name of Object.keys(rest)) warnings.push({ type: "unsupported", feature: `providerOptions.doran.${name}`, details: "known are pooling and normalize" });
  return {
    ...(pooling === "mean" || pooling === "cls" ? { pooling } : {}),
    ...(typeof normalize === "boolean" ? { normalize } : {}),
  };
}
