/** What `Engine.inspect` tells: what a model is, what it takes, and whether it fits this device. */
import type { KvCache, ModelKind } from "./types.js";

/** What `Engine.inspect` gives. Sizes are bytes. What the platform does not tell is `null`. */
export interface Inspection {
  /** The model's architecture by its Hugging Face name. */
  readonly architecture: string;
  readonly kind: ModelKind;
  /** What the files call themselves. */
  readonly title: string | null;
  /** The licence as the files name it (GGUF's `general.license`); `null` where they do not. */
  readonly license: string | null;
  readonly parameters: number;
  readonly vocabSize: number;
  /** The formats of the tensors, the one of the most bytes first. */
  readonly formats: readonly FormatShare[];
  /** Tokens that the model was made for. */
  readonly maxContext: number;
  /** Tokens that a load with these options would make room for. */
  readonly context: number;
  /** How keys and values would be kept. */
  readonly kvCache: Exclude<KvCache, "auto">;
  /** All files together. */
  readonly fileBytes: number;
  /** Of them, what is stored already. */
  readonly storedBytes: number;
  /** Of them, what a load would fetch. */
  readonly downloadBytes: number;
  readonly gpu: GpuNeeds;
  /** What the browser estimates that may still be stored. */
  readonly availableStorageBytes: number | null;
  readonly verdict: Verdict;
  /** Why not, or why hardly. */
  readonly reason: string | null;
  /** With `fit: "auto"`: what a load would change to make the model fit. */
  readonly adjustments: readonly Adjustment[];
  /** The models that the source offers: several where it is a repository or a folder of several GGUF files. */
  readonly candidates: readonly Candidate[];
  /** The `path` of the candidate that is described here, and that a load with `fit: "auto"` takes. */
  readonly take: string;
}

/**
 * `fits`: the GPU had room for it and a quarter more, when it was tried. `tight`: it had room, but no quarter more, or the browser
 * estimates no room to store it. `no`: a piece is longer than the device allows, the trial failed, or there is no GPU.
 */
export type Verdict = "fits" | "tight" | "no";

/** The tensors of one format. */
export interface FormatShare {
  /** Such as `Q4_K`. */
  readonly format: string;
  readonly tensors: number;
  readonly bytes: number;
}

/** What a model takes on the GPU once it is loaded, in bytes. */
export interface GpuNeeds {
  /** The sum of weights, keys and values, activations and others. */
  readonly totalBytes: number;
  /** Weights, as the kernels read them. */
  readonly weightsBytes: number;
  /** Keys and values of the whole context. */
  readonly kvBytes: number;
  /** Keys and values of a token. */
  readonly kvBytesPerToken: number;
  readonly activationBytes: number;
  /** Tables, parameters, and what is read back. */
  readonly otherBytes: number;
  /** The longest buffer, and what is in it: no binding is longer. */
  readonly largestBindingBytes: number;
  readonly largestBinding: string;
  /** What this device allows for a binding; `null` without a device. */
  readonly maxBindingBytes: number | null;
}

/** One of the models that a source offers. */
export interface Candidate {
  /** Its file, or the first part of one that is split, or the first weights of a folder. */
  readonly path: string;
  /** Of all its files; `null` where nobody has said. */
  readonly bytes: number | null;
  /** As the file's name states it, such as `Q4_K_M`. */
  readonly format: string | null;
  /** How many files it has. */
  readonly files: number;
}

/** What was changed to make a model fit. */
export type Adjustment =
  /** A context of fewer tokens. */
  | { readonly what: "context"; readonly from: number; readonly to: number }
  /** A smaller file of those that the source offers. */
  | { readonly what: "file"; readonly from: string; readonly to: string };
