/// <reference lib="esnext.disposable" preserve="true" />
/** The types of the public API. */
import type { Adapter } from "./adapter.js";
import type { CatalogueEntry } from "./catalogue.js";
import type { AssetOptions } from "./client.js";
import type { Adjustment } from "./inspection.js";
import type { PauseController } from "./pause.js";

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

/** Options of `engine.logits`. */
export interface LogitsOptions extends NllOptions {
  /** Where a model reads a text and answers it: how the answer begins. */
  readonly answer?: Uint32Array | readonly number[];
}

/** Options of `engine.nll`. */
export interface NllOptions {
  /** The adapters that the model runs with. */
  readonly adapters?: readonly AdapterUse[];
}

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

/** One turn of a conversation, as the model's chat template takes it. */
export interface Message {
  readonly role: "system" | "user" | "assistant" | "tool" | (string & {});
  readonly content: string;
  /** What else the template knows, such as `tool_calls`. */
  readonly [field: string]: unknown;
}

/** What `generate` continues: a conversation (by the chat template), a text as it is, or token ids as they are. */
export type GenerateInput = readonly Message[] | string | Uint32Array;

/** Options of `generate`. Without any, tokens are drawn from the model's own distribution. */
export interface GenerateOptions {
  /** 0 is greedy: always the likeliest token. The default is 1. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Added to the logits, by token id. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Only these tokens may be drawn: for a choice among few answers. End tokens too are forbidden unless they are named. */
  readonly allowedTokenIds?: readonly number[];
  /** The same seed gives the same text on the same machine; without one each answer draws anew. */
  readonly seed?: number;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[];
  readonly maxTokens?: number;
  /** Go on after end tokens; for measuring. */
  readonly ignoreEos?: boolean;
  /** Give each token's log probability. */
  readonly logprobs?: boolean;
  /** Give those of so many of the likeliest tokens at each place too, 20 at most. */
  readonly topLogprobs?: number;
  /** Show special tokens in the text, such as those that begin a tool call; end tokens are never shown. */
  readonly specialTokens?: boolean;
  /**
   * What the answer must look like. Tokens that would break it cannot be drawn; the answer ends where it is whole, or at `maxTokens`.
   * The first use fetches a module of its own. Rejects with `schema_unsatisfiable` if nothing is of that form, and with `bad_argument`
   * for a schema, pattern or grammar that is malformed, too large, or asks for what is not supported.
   */
  readonly format?: OutputFormat;
  /**
   * A module whose default export changes the logits before each token ({@link LogitsHook}). It is imported and runs in the worker, so
   * it must be of the page's origin, or allowed by its Content-Security-Policy. Answers with a hook are slower: all logits are read back.
   */
  readonly logitsHook?: string | URL;
  /** Functions that the chat template tells the model of, as it takes them. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  /** More variables for the chat template, such as `enable_thinking`. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  /** The answer goes on with the last message, as the assistant had begun it. */
  readonly continueFinalMessage?: boolean;
  /** Called with each token as it comes, before it is read. */
  readonly onToken?: (token: Token) => void;
  /** What happens where the context has no more room; the default is `"error"`. */
  readonly contextPolicy?: ContextPolicy;
  /**
   * The LoRA adapters that the model answers with, each as strongly as its `scale` says. An answer with others than the one before,
   * or other scales, reads its prompt from the beginning.
   */
  readonly adapters?: readonly AdapterUse[];
  /** Called while a long prompt is read; short ones, and those that the cache still holds, give no call. */
  readonly onPrefill?: (progress: PrefillProgress) => void;
  /** Ends the generation; the iterator rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/**
 * What happens where the context has no more room. `"error"`: a prompt that leaves no room for an answer is refused with
 * `context_overflow`, and an answer that reaches the end of the context ends there (`finishReason: "length"`).
 *
 * `"slide"`: the oldest leaves. Of messages the oldest turn as a whole: a message of the user and all that follow it until the next.
 * System messages and the last turn stay; where no other turn is left it is as with `"error"`. Of a text or ids, tokens: the newest
 * three quarters of the context stay, behind the token that begins texts. What stays is read anew, from where it differs on, and the
 * answer goes on as it would after a prompt of just that; `onPrefill` may be called again, and `usage.droppedTokens` says how much
 * left. Not for models that read a text apart from their answer (T5, Blenderbot).
 */
export type ContextPolicy = "error" | "slide";

/**
 * What an answer must look like: JSON of any kind or of a JSON Schema, a text that a regular expression matches as a whole, or one of a
 * Lark grammar (in llguidance's dialect).
 */
export type OutputFormat =
  | { readonly type: "json_object" }
  | { readonly type: "json_schema"; readonly schema: Readonly<Record<string, unknown>> | boolean }
  | { readonly type: "regex"; readonly pattern: string }
  | { readonly type: "lark"; readonly grammar: string };

/** Changes `logits` of the token after `ids` (prompt and answer so far) in place. −Infinity forbids a token. */
export type LogitsHook = (logits: Float32Array, ids: Uint32Array) => void;

/** How far a prompt is read. */
export interface PrefillProgress {
  /** Tokens of the prompt that are read, those included that the cache held. */
  readonly promptTokensDone: number;
  /** Tokens of the whole prompt. */
  readonly promptTokens: number;
}

/** One token of an answer. `text` may be empty while a character is not whole. */
export interface Token {
  readonly id: number;
  readonly text: string;
  /** Natural logarithm of the token's probability, where asked for. */
  readonly logprob?: number | undefined;
  /** With `logprobs`: the bytes that the token adds to a text, often no whole character. */
  readonly bytes?: Uint8Array | undefined;
  /** With `topLogprobs`: the likeliest tokens at this place, likeliest first. */
  readonly topLogprobs?: readonly LikelyToken[] | undefined;
  readonly finishReason?: undefined;
  readonly usage?: undefined;
}

/** A token that could have come. */
export interface LikelyToken {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly logprob: number;
}

/** The last item of an answer. `text` is what was still held back, and may be empty. */
export interface Finish {
  readonly id?: undefined;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
}

/** Why an answer ended. */
export type FinishReason = "stop" | "length" | "aborted" | (string & {});

/** What an answer took. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Prompt tokens that were still in the KV cache from the call before. */
  readonly cachedTokens: number;
  /** Tokens that had to leave the context (`contextPolicy: "slide"`): of the prompt before it was read, and of both later. */
  readonly droppedTokens: number;
  readonly totalTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/**
 * A running answer: tokens, then one `Finish`. It starts at the first `next()`; leaving a `for await` stops it.
 * It can be read once.
 */
export interface Generation extends AsyncIterableIterator<Token | Finish, undefined> {
  /** Stops the answer; resolves when the engine is free again. */
  return(): Promise<IteratorResult<Token | Finish, undefined>>;
  /** As `return`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** End with the words that begin an answer; the default is `true`. */
  readonly addGenerationPrompt?: boolean;
  /** Functions that the template tells the model of. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  /** More variables for the template. */
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  /** End in the last message, which an answer would go on with. */
  readonly continueFinalMessage?: boolean;
}

/** Which row stands for a text: the mean of all its tokens' rows, or the row of the first, which is BERT's `[CLS]`. */
export type Pooling = "mean" | "cls";

/** Options of `engine.embed`. All are optional. */
export interface EmbedOptions {
  /** As the model was trained; the default is what its files say (`info.pooling`), or else `"mean"`. */
  readonly pooling?: Pooling;
  /** Divide each vector by its length, so that a dot product is a cosine; the default is `true`. */
  readonly normalize?: boolean;
  /** Ends the call between two texts or sooner; the promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** What a model says of the tokens that could follow. */
export interface Logits {
  /** Over the vocabulary, after the last token. */
  readonly lastLogits: Float32Array;
  /** The likeliest next token at each position. */
  readonly top1: Uint32Array;
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
}

/** What `Engine.storage.verify` found. */
export interface StoredCheck {
  /** Chunks that should be there, and their bytes. */
  readonly chunks: number;
  readonly bytes: number;
  /** How many are missing or not what was written. The next load fetches these again, and only these. */
  readonly damaged: number;
}

/** Options of `Engine.storage.verify`. */
export interface VerifyOptions extends AssetOptions {
  /** Called with each chunk that was read. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the check. */
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
