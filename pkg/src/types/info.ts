/** The types of what is told of a model, its device, and its work. */
import type { Adjustment } from "../inspection.js";
import type { Kernels } from "./load.js";

/** Whether a model goes on with a text, reads one, or reads one and answers it. */
export type ModelKind = "decoder" | "encoder" | "encoder-decoder";

/** What was loaded, and how. */
export interface ModelInfo {
  readonly name: string;
  /** The model's architecture by its Hugging Face name, such as `llama`. */
  readonly architecture: string;
  /** What it can be asked for: an encoder embeds, the others generate. */
  readonly kind: ModelKind;
  /** Of an encoder: how it pools, which is what `embed` does unless told otherwise. */
  readonly pooling?: string | undefined;
  readonly parameters?: number | undefined;
  /** Tokens that fit, prompt and answer together. */
  readonly context: number;
  readonly vocabSize: number;
  /** `verified` when a hash was known and matched, else `unverified`. */
  readonly integrity: string;
  /** The chat template, in Jinja; `null` where there is none. */
  readonly chatTemplate: string | null;
  /** The licence as the files name it. */
  readonly license?: string | null | undefined;
  readonly adapter: AdapterInfo;
  readonly load: LoadFacts;
  /** The files at the model's addresses are others than the stored ones, which are used; `update: true` loads the others. */
  readonly outdated: boolean;
  /** What the reader of the page may want to know: not stored, unknown pre-tokenizer, … */
  readonly warnings: readonly string[];
  /** What `fit: "auto"` changed to make the model fit. */
  readonly adjustments: readonly Adjustment[];
}

/** What WebGPU says of the graphics processor. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** A software adapter: correct and slow. */
  readonly isFallback: boolean;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** What a load took. */
export interface LoadFacts {
  readonly ms: number;
  readonly bytesDownloaded: number;
  readonly bytesFromStore: number;
  readonly gpuBytes: number;
  readonly tokenizerBytes: number;
  /** How much the WebAssembly heap grew at most; the weights do not pass through it. */
  readonly peakWasmBytesGrown: number;
  /** Where the time went. */
  readonly times: LoadTimes;
}

/** Milliseconds that a load waited for each kind of work. Kinds go on at the same time: the sum may be longer than the load. */
export interface LoadTimes {
  /** For the network. */
  readonly fetch: number;
  /** For hashes of chunks and files. */
  readonly hash: number;
  /** For the browser's storage, read or written. */
  readonly store: number;
  /** For the way to the GPU. */
  readonly upload: number;
  /** For the choice of kernels: they are checked and timed, or remembered. */
  readonly tune: number;
  /** For the browser to compile kernels. */
  readonly compile: number;
}

/** Exact counts of what the engine asked of the GPU since it was loaded. */
export interface Counters {
  readonly dispatches: number;
  readonly passes: number;
  readonly submits: number;
  /** GPU objects made. */
  readonly created: number;
  readonly bufferWrites: number;
  readonly bytesWritten: number;
  readonly readbackBytes: number;
  readonly weightBytesRead: number;
  readonly kvBytesRead: number;
  /** Kernels compiled. */
  readonly pipelines: number;
  /** GPU objects that are alive now. */
  readonly liveObjects: number;
  /** Bytes of GPU memory that are in use now. */
  readonly gpuBytes: number;
}

/** What `Engine.decodeAt` measured. */
export interface DecodeSpeed {
  /** Tokens decoded. */
  readonly tokens: number;
  /** Milliseconds of all of them. */
  readonly ms: number;
  /** Tokens a second. */
  readonly tps: number;
  /** What they were counted to take; `liveObjects` and `gpuBytes` as they are at the end. All zero on the CPU references. */
  readonly counters: Counters;
}

/** Counters and speeds. */
export interface EngineStats {
  readonly counters: Counters;
  /** Tokens a second of the last prefill. */
  readonly prefillTps: number;
  /** Tokens a second of the last decode. */
  readonly decodeTps: number;
  readonly tokensPrefilled: number;
  readonly tokensDecoded: number;
  /** The GPU's work for one token in order: what is computed, and by which kernel. */
  readonly decodeDispatches: readonly string[];
  /** Which kernels were chosen for this device; absent on the CPU references. */
  readonly tuning?: Tuning | undefined;
  /** Times that the GPU was lost and the model loaded onto another. Counters are those of the last. */
  readonly recoveries: number;
}

/** What the dispatches of one kernel take in a step, measured apart from the others. */
export interface KernelTime {
  /** Rows of the step: 1 for a decoded token. */
  readonly rows: number;
  /** The kernel, with what fills its slots. */
  readonly kernel: string;
  /** Its dispatches in the step, and the milliseconds of all of them. */
  readonly dispatches: number;
  readonly ms: number;
  /** What they read, and their multiply-adds where there are many. */
  readonly weightBytes: number;
  readonly kvBytes: number;
  readonly multiplyAdds: number;
}

/** How a kernel takes activations: as they are, rounded to half floats, or rounded to bytes. */
export type Activations = "f32" | "f16" | "int8";

/**
 * What kernels are for: matrices times one row (`matvec`) and many (`matmul`), attention of one row in splits (`splits`) and of many in
 * tiles of queries (`queries`), norms.
 */
export type Role = "matvec" | "matmul" | "splits" | "queries" | "norm";
/** A variant for each role but the first, which `kernels` fixes. */
export type Variants = Readonly<Partial<Record<Exclude<Role, "matvec">, string>>>;

/** The kernels that were chosen for the device. */
export interface Tuning {
  /** For matrices times one row. */
  readonly kernels: Kernels;
  /** Invocations of their workgroups. */
  readonly workgroup: number;
  readonly broadcast: boolean;
  /** What matrices times one row are multiplied in: `"f16"` and `"int8"` round activations, with `precision: "fast"` only. */
  readonly activations: Activations;
  /** The tile of matrices times many rows on GPUs: of 32 or 64 rows in f32, or, with `precision: "fast"`, of bytes. */
  readonly matmul: "rows32" | "rows64" | "int8";
  /** Splits of one row's attention, and queries of a tile of many rows' attention, at most; on GPUs. */
  readonly splits: number;
  readonly queries: number;
  /** How norms add up, and invocations of their workgroups on GPUs. */
  readonly norm: Kernels;
  readonly normWorkgroup: number;
  /** What was looked at, in order. A choice that is remembered from an earlier load says what was looked at then. */
  readonly tried: readonly KernelTrial[];
  /** What choosing took. */
  readonly ms: number;
}

/** A kernel that was looked at. */
export interface KernelTrial {
  readonly role: Role;
  readonly variant: string;
  /** Whether it agrees with the reference, and is near enough to the exact result. */
  readonly right: boolean;
  /** Of a kernel that rounds activations: how far it is from the exact result, relative to the largest value. */
  readonly error?: number | null | undefined;
  /** Microseconds of a dispatch, where it was timed: on GPUs, while there was time. */
  readonly micros?: number | null | undefined;
}
