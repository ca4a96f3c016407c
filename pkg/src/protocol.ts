/**
 * Every message between the page and the worker. There are no others.
 *
 * The rules: the worker says `started` when its script runs and `hello` when it holds its lock; the page answers with `init`.
 * Each call has an id of the page's and ends with exactly one `reply` or `failed` of that id. A `generate` sends `prefill`s, then
 * `token`s in between, and no more of these than `UNREAD_LIMIT` beyond what the page has said it `read`. `cancel` is a request:
 * the call still ends with its own reply.
 */
import type { Adapter } from "./adapter.js";
import { isRecord, type WireError } from "./errors.js";
import type { Inspection } from "./inspection.js";
import type {
  Backend, ContextPolicy, DecodeSpeed, EngineStats, Finish, Kernels, KernelTime, KvCache, Logits, Message, ModelInfo, OutputFormat, Pooling, Precision, PrefillProgress, Progress, Quantize,
  StorageEstimate, StoredCheck, StoredModel, Token, Variants,
} from "./types.js";

/** How many tokens may lie unread in the page before the worker stops to wait. */
export const UNREAD_LIMIT = 32;

/** Changes with every message that changes. Page and worker of different builds refuse each other. */
export const PROTOCOL_VERSION = 11;

/** Request or response headers. */
export type WireHeaders = readonly (readonly [string, string])[];

/** A model source that can be posted. */
export type WireSource =
  | PlainSource
  /** `hf:…`, on the hub or a mirror of it. */
  | { readonly kind: "hub"; readonly address: string; readonly hub?: string; readonly headers: WireHeaders; readonly proxyFetch: boolean };

/** A source that is one model, or files of one folder. `proxyFetch`: the page fetches, by the caller's own function. */
export type PlainSource =
  | { readonly kind: "url"; readonly url: string; readonly headers: WireHeaders; readonly proxyFetch: boolean }
  | { readonly kind: "file"; readonly file: Blob; readonly name: string | undefined }
  | { readonly kind: "stored"; readonly name: string }
  | {
    readonly kind: "files";
    readonly files: readonly { readonly path: string; readonly url?: string; readonly file?: Blob }[];
    readonly headers: WireHeaders;
    readonly proxyFetch: boolean;
  };

/** What of `LoadOptions` the engine itself reads. */
export interface WireLoadOptions {
  readonly name?: string;
  readonly sha256?: string;
  readonly context?: number;
  readonly chatTemplate?: string;
  readonly backend?: Backend;
  readonly kvCache?: KvCache;
  readonly store?: boolean;
  readonly runAhead?: number;
  readonly kernels?: Kernels;
  readonly variants?: Variants;
  readonly precision?: Precision;
  readonly evict?: boolean;
  readonly update?: boolean;
  readonly fit?: "auto";
  readonly quantize?: Quantize;
}

/** What of `AdapterOptions` the engine itself reads. */
export interface WireAdapterOptions {
  readonly name?: string;
  readonly sha256?: string;
  readonly store?: boolean;
}

/** A loaded adapter: its number, and what it is. */
export interface WireAdapter extends Omit<Adapter, "title" | "unload" | typeof Symbol.asyncDispose> {
  readonly id: number;
  readonly title?: string | null;
}

/** An adapter of a request, by its number. */
export interface WireAdapterUse {
  readonly id: number;
  readonly scale: number;
}

/** What a chat template gets beside messages. */
export interface WireChatOptions {
  readonly addGenerationPrompt?: boolean;
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  readonly templateArgs?: Readonly<Record<string, unknown>>;
  readonly continueFinalMessage?: boolean;
}

/** What of `GenerateOptions` the engine itself reads. */
export interface WireGenerateOptions {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly logitBias?: Readonly<Record<number, number>>;
  readonly allowedTokenIds?: readonly number[];
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly maxTokens?: number;
  readonly ignoreEos?: boolean;
  readonly logprobs?: boolean;
  readonly topLogprobs?: number;
  readonly specialTokens?: boolean;
  readonly chat?: WireChatOptions;
  readonly format?: OutputFormat;
  /** The address of its module. */
  readonly logitsHook?: string;
  readonly contextPolicy?: ContextPolicy;
  readonly adapters?: readonly WireAdapterUse[];
}

/** What of `EmbedOptions` the engine itself reads. */
export interface WireEmbedOptions {
  readonly pooling?: Pooling;
  readonly normalize?: boolean;
}

/** Each call: what the page sends and what it gets. A new call is a line here; the compiler names the other places. */
export interface Calls {
  load: { args: { source: WireSource; options: WireLoadOptions }; result: ModelInfo };
  inspect: { args: { source: WireSource; options: WireLoadOptions }; result: Inspection };
  generate: { args: { input: readonly Message[] | string | Uint32Array; options: WireGenerateOptions }; result: null };
  embed: { args: { texts: readonly (string | Uint32Array)[]; options: WireEmbedOptions }; result: readonly Float32Array[] };
  tokenize: { args: { text: string; addSpecialTokens: boolean }; result: Uint32Array };
  detokenize: { args: { ids: Uint32Array; skipSpecialTokens: boolean }; result: string };
  applyChatTemplate: { args: { messages: readonly Message[]; options: WireChatOptions }; result: string };
  logits: { args: { ids: Uint32Array; answer?: Uint32Array; adapters?: readonly WireAdapterUse[] }; result: Logits };
  nll: { args: { ids: Uint32Array; adapters?: readonly WireAdapterUse[] }; result: Float32Array };
  loadAdapter: { args: { source: WireSource; options: WireAdapterOptions }; result: WireAdapter };
  unloadAdapter: { args: { adapter: number }; result: null };
  stats: { args: null; result: EngineStats };
  profile: { args: { context: number }; result: readonly KernelTime[] };
  decodeAt: { args: { context: number; tokens: number }; result: DecodeSpeed };
  unload: { args: null; result: null };
  listModels: { args: null; result: readonly StoredModel[] };
  deleteModel: { args: { name: string }; result: null };
  verifyModel: { args: { name: string }; result: StoredCheck };
  exportModel: { args: { name: string }; result: readonly File[] };
  storageEstimate: { args: null; result: StorageEstimate };
}

/** The name of a call. */
export type CallKind = keyof Calls;
/** What call `K` takes. */
export type Args<K extends CallKind> = Calls[K]["args"];
/** What call `K` gives. */
export type Result<K extends CallKind> = Calls[K]["result"];

/** A call as it is sent. */
export interface CallMessage<K extends CallKind> {
  readonly type: "call";
  readonly id: number;
  readonly kind: K;
  readonly args: Args<K>;
}
/** The answer to a call. */
export interface ReplyMessage<K extends CallKind> {
  readonly type: "reply";
  readonly id: number;
  readonly kind: K;
  readonly result: Result<K>;
}
/** Any call. */
export type AnyCall = { [K in CallKind]: CallMessage<K> }[CallKind];
/** Any answer. */
export type AnyReply = { [K in CallKind]: ReplyMessage<K> }[CallKind];

/** From the page to the worker. */
export type ToWorker =
  | {
    readonly type: "init";
    readonly wasmUrl: string;
    readonly wasmIntegrity: string | undefined;
    /** Not there where the page does not know. */
    readonly constrainedUrl: string | undefined;
    readonly constrainedIntegrity: string | undefined;
  }
  | AnyCall
  /** Stop the call; it ends by its own reply. */
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "pause"; readonly id: number; readonly paused: boolean }
  /** The page's reader took `count` more tokens of the generation. */
  | { readonly type: "read"; readonly id: number; readonly count: number }
  /** The head of a response that the page fetched. */
  | {
    readonly type: "fetched";
    readonly fetchId: number;
    readonly status: number;
    readonly statusText: string;
    readonly headers: WireHeaders;
    readonly hasBody: boolean;
  }
  /** The next piece of its body, after a `fetchPull`; `null` is the end. */
  | { readonly type: "fetchChunk"; readonly fetchId: number; readonly chunk: Uint8Array<ArrayBuffer> | null }
  /** The fetch, or reading its body, failed. */
  | { readonly type: "fetchFailed"; readonly fetchId: number; readonly message: string };

/** From the worker to the page. */
export type FromWorker =
  /** The script runs: an error from here on is the worker's own. */
  | { readonly type: "started" }
  /** Who the worker is. `lock` is a Web Lock that the worker holds while it lives, or empty where there are none. */
  | { readonly type: "hello"; readonly version: number; readonly lock: string }
  | AnyReply
  | { readonly type: "failed"; readonly id: number; readonly error: WireError }
  /** The WebAssembly module did not start: nothing will work. */
  | { readonly type: "dead"; readonly error: WireError }
  | { readonly type: "progress"; readonly id: number; readonly progress: Progress }
  /** A long prompt is being read. */
  | { readonly type: "prefill"; readonly id: number; readonly progress: PrefillProgress }
  | { readonly type: "token"; readonly id: number; readonly item: Token | Finish }
  /** Fetch this with the caller's function. */
  | {
    readonly type: "fetch";
    readonly fetchId: number;
    readonly callId: number;
    readonly url: string;
    readonly method: string;
    readonly headers: WireHeaders;
  }
  | { readonly type: "fetchPull"; readonly fetchId: number }
  | { readonly type: "fetchCancel"; readonly fetchId: number };

const FROM_WORKER: ReadonlySet<unknown> = new Set<FromWorker["type"]>([
  "started", "hello", "reply", "failed", "dead", "progress", "prefill", "token", "fetch", "fetchPull", "fetchCancel",
]);
const TO_WORKER: ReadonlySet<unknown> = new Set<ToWorker["type"]>([
  "init", "call", "cancel", "pause", "read", "fetched", "fetchChunk", "fetchFailed",
]);

/** Whether `data` is a message of ours; others on the same channel are left alone. */
export function isFromWorker(data: unknown): data is FromWorker {
  return isRecord(data) && FROM_WORKER.has(data["type"]);
}

/** Whether `data` is a message of ours. */
export function isToWorker(data: unknown): data is ToWorker {
  return isRecord(data) && TO_WORKER.has(data["type"]);
}

/** An answer whose call is not known yet. */
export interface SomeReply {
  readonly type: "reply";
  readonly id: number;
  readonly kind: CallKind;
  readonly result: unknown;
}

/** Whether `reply` answers a call of kind `kind`: both ends are of one build, so its kind tells its result. */
export function isReplyTo<K extends CallKind>(reply: SomeReply, kind: K): reply is ReplyMessage<K> {
  return reply.kind === kind;
}
