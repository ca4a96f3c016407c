/** The types of loads and of what is stored. */
import type { Adapter } from "../adapter.js";
import type { CatalogueEntry } from "../catalogue.js";
import type { AssetOptions } from "../client.js";
import type { PauseController } from "../pause.js";
import type { AdapterInfo, Variants } from "./info.js";

/** Where a model comes from. */
export type ModelSource =
  /**
   * A URL (absolute, or relative when it begins with `/`, `./` or `../`); a place on the Hugging Face hub,
   * `hf:owner/name[@revision][/file]`, where a repository of several files gives the one that suits most machines (with `fit: "auto"`
   * this one); or else the name of a stored model. The URL of a part of a split GGUF (`…-00001-of-00003.gguf`) means all of them.
   */
  | string
  | URL
  /** A GGUF file that the reader chose or dropped. */
  | Blob
  /** The name of a stored model, said outright. */
  | { readonly stored: string }
  /** The files of a Hugging Face folder, the parts of a split GGUF, or several GGUF files to choose from. */
  | { readonly files: readonly ModelFile[] }
  /** An entry of `models.json`. */
  | CatalogueEntry;

/** One file of a model that has several. */
export interface ModelFile {
  /** Its path inside the folder, such as `config.json`. */
  readonly path: string;
  /** Where to fetch it. */
  readonly url?: string | URL;
  /** Its bytes, where they are already here. */
  readonly file?: Blob;
}

/** An adapter of a request. */
export interface AdapterUse {
  /** What `engine.loadAdapter` gave. */
  readonly adapter: Adapter;
  /** How strongly it counts: 1 is as it was trained and the default, 0 is not at all; others are in between or beyond. */
  readonly scale?: number;
}

/** Options of `engine.loadAdapter`, which mean what they mean for `Engine.load`. All are optional. */
export type AdapterOptions = Pick<LoadOptions, "onProgress" | "signal" | "hub" | "headers" | "fetch" | "sha256" | "name" | "store">;

/** Options of `Engine.load`. All are optional. */
export interface LoadOptions extends AssetOptions {
  /**
   * Called on every step; a few times a second while downloading. Called again where the GPU is lost later and the model loads
   * onto another.
   */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the load; what was stored stays and is not fetched again. */
  readonly signal?: AbortSignal;
  /** Pauses the download and resumes it. `progress.phase` is `"paused"` meanwhile. */
  readonly pause?: PauseController;
  /** Where `hf:` is, for a mirror; the default is Hugging Face's own. */
  readonly hub?: string | URL;
  /** Request headers, for a server that asks for a token. */
  readonly headers?: HeadersInit;
  /** Fetches model files in place of `fetch`. It runs in the page and must honour `Range`. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** The SHA-256 of the whole file in hex: the model is not ready unless it matches. */
  readonly sha256?: string;
  /** Tokens that prompt and answer may have together; the default is the model's own, at most 4096. */
  readonly context?: number;
  /** A Jinja chat template in place of the model's own. */
  readonly chatTemplate?: string;
  /** The name to store the model by; the default is made from the file's. */
  readonly name?: string;
  /** Keep the model in the browser's storage; the default is `true`. */
  readonly store?: boolean;
  /**
   * Quantises the weights of a safetensors folder while they arrive: the browser keeps, and the GPU gets, the smaller ones. The
   * model is stored by a name of its own (`…#q4_k`), and loads from storage without the network. Rejects with `bad_argument` for a
   * GGUF file, which is quantised or not as it was made, for a model that is stored otherwise, and together with `sha256`; with
   * `non_finite_weights` (data: `tensor`) where a weight is no number or too large.
   */
  readonly quantize?: Quantize;
  /** `"reference"` computes slowly and plainly on the CPU, to check the GPU by. */
  readonly backend?: Backend;
  /** The precision of the KV cache; `"auto"` is f16. */
  readonly kvCache?: KvCache;
  /**
   * Fixes how many tokens the GPU computes before the page has seen the one before them, 0 to 4. Left open, the engine adapts
   * it to the device. The text is the same whatever it is; for measuring and debugging.
   */
  readonly runAhead?: number;
  /** Fixes the kernels that the engine otherwise chooses by checking and timing them on the device; for debugging. */
  readonly kernels?: Kernels;
  /**
   * The same for what else is chosen on GPUs, by the names that `stats().tuning.tried` has: `{ matmul: "rows64", norm: "workgroup 256" }`.
   * Another name is refused with those that there are.
   */
  readonly variants?: Variants;
  /**
   * `"auto"`: what this device has no room for is not refused, but made to fit if it can be. Of a source of several files, the largest
   * of less than 16 bits a weight that fits is taken; where none fits, the context is halved as often as it must, down to 512 tokens
   * (or to what was wanted, if that is less). `info.adjustments` and `info.warnings` say what was done.
   */
  readonly fit?: "auto";
  /**
   * `true`: where there is no more room in the browser's storage, models that were not used for the longest time are deleted from
   * it until this one is stored. `info.warnings` names them. Otherwise the load rejects with `quota`.
   */
  readonly evict?: boolean;
  /**
   * `true`: a stored model whose files have changed at their addresses is removed and loaded anew. Otherwise it is used, and
   * `info.outdated` says so. A file whose hash is stated cannot change, and its address is not asked.
   */
  readonly update?: boolean;
  /**
   * The reader has agreed to the licence. Entries of the catalogue whose licence forbids commerce, or which the hub gives only to
   * those who ask, do not load without it; of other sources nobody is asked.
   */
  readonly acceptLicense?: boolean;
  /**
   * `"fast"` lets the engine round activations to half floats or bytes where a token is decoded, and to bytes where a prompt is read, if
   * that is faster on the device and within its stated tolerance there (see the package's README); the default is `"exact"`.
   */
  readonly precision?: Precision;
}

/**
 * What matrices are quantised to: `"q8_0"` takes 8.5 bits a weight, `"q6_k"` 6.6, `"q4_0"` and `"q4_k"` 4.5. With the last two, the
 * matrix that gives the logits takes `"q6_k"`. Rows that are no multiple of 256 weights take `"q8_0"` for `"q6_k"` and five bits
 * (5.5 a weight) for `"q4_k"`; rows that are no multiple of 32 stay as they are, as do norms, biases, routers of experts,
 * convolutions, and matrices that are stored by columns (GPT-2's).
 */
export type Quantize = "q8_0" | "q6_k" | "q4_0" | "q4_k";
/** How exactly kernels multiply. */
export type Precision = "exact" | "fast";
/** What computes. */
export type Backend = "webgpu" | "reference";
/** How keys and values are kept. */
export type KvCache = "auto" | "f32" | "f16";
/** How invocations of a kernel share a sum: not at all (for CPU adapters), through workgroup memory, by subgroup operations. */
export type Kernels = "rows" | "workgroup" | "subgroup";
/** What a load is busy with. */
export type Phase =
  | "header" | "download" | "store" | "upload" | "compile" | "ready"
  /** The caller has paused it. */
  | "paused"
  /** There is no network. It goes on by itself when there is. */
  | "offline";

/** How far a load is. `loadedBytes` never goes back. */
export interface Progress {
  readonly phase: Phase;
  /** Bytes that have arrived, from the network or the store. */
  readonly loadedBytes: number;
  /** Bytes of the whole model; 0 while not known. */
  readonly totalBytes: number;
  /** Of `loadedBytes`, those that came from the browser's storage. */
  readonly fromStoreBytes: number;
  readonly bytesPerSecond: number;
  /** An estimate; absent while there is none. */
  readonly secondsLeft?: number | undefined;
}

/** A model in the browser's storage. */
export interface StoredModel {
  /** What `Engine.load` takes. */
  readonly name: string;
  readonly totalBytes: number;
  readonly storedBytes: number;
  /** Nothing is missing: it loads without the network. */
  readonly complete: boolean;
  readonly url?: string | undefined;
  readonly lastUsed?: number | undefined;
  /**
   * Milliseconds since 1970 of the last time that all of it was found to be what was written: by `verify`, or by a load, which holds each
   * chunk that it reads or fetches against its hash. Missing while something is damaged or not there, and for what an earlier version stored.
   */
  readonly verifiedAt?: number | undefined;
  /** Bytes of its chunks that another stored model has too, by their SHA-256. They are stored once for each of these models. */
  readonly sharedBytes: number;
  /** The names of those models. */
  readonly sharedWith: readonly string[];
}

/** What `Engine.storage.verify` found. */
export interface StoredCheck {
  /** Chunks that should be there, and their bytes. */
  readonly chunks: number;
  readonly bytes: number;
  /** How many are missing or not what was written. The next load fetches these again, and only these. */
  readonly damaged: number;
}

/** Options of `Engine.storage.verify` and `Engine.storage.export`. */
export interface VerifyOptions extends AssetOptions {
  /** Called with each chunk that was read. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

/** What the browser says of its storage. Its quota is a hint, not a promise. */
export interface StorageEstimate {
  readonly usageBytes: number;
  readonly quotaBytes: number;
  /** The browser has promised not to evict. */
  readonly persisted?: boolean | undefined;
}

/** Whether this page can run models, and if not, why. */
export interface Support {
  readonly supported: boolean;
  /** `insecure_context`: the page is neither https nor localhost. `no_webgpu`: too old a browser. `no_adapter`: the GPU is not offered. */
  readonly reason?: "insecure_context" | "no_webgpu" | "no_adapter";
  readonly adapter?: AdapterInfo;
}
