/** What the WebAssembly module exports (`src/wasm.rs`), as the worker sees it. Errors it throws are `{ code, message, data }`. */
import type { DecodeSpeed, EngineStats, Finish, KernelTime, Logits, LogitsHook, Message, ModelInfo, PrefillProgress, Progress, StorageEstimate, StoredCheck, StoredModel, Token } from "./types.js";
import type { Inspected } from "./fit.js";
import type { WireAdapter, WireAdapterOptions, WireAdapterUse, WireChatOptions, WireEmbedOptions, WireGenerateOptions, WireLoadOptions } from "./protocol.js";

export default function init(options: { module_or_path: WebAssembly.Module }): Promise<{ readonly memory: WebAssembly.Memory }>;

type FetchLike = (url: string, init?: RequestInit) => Promise<Response>;

export type WasmSource =
  | { url: string; headers: readonly (readonly [string, string])[]; fetch?: FetchLike }
  | { file: Blob; name?: string }
  | { stored: string }
  | {
    files: readonly { path: string; url?: string; file?: Blob }[];
    headers: readonly (readonly [string, string])[];
    fetch?: FetchLike;
  };

export class WasmEngine {
  static load(
    source: WasmSource,
    options: WireLoadOptions,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal | undefined,
    pause: WasmPause,
  ): Promise<WasmEngine>;
  info(): ModelInfo;
  stats(): EngineStats;
  tokenize(text: string, addSpecialTokens: boolean): Uint32Array;
  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): string;
  applyChatTemplate(messages: readonly Message[], options: WireChatOptions): string;
  vocabulary(): WasmVocabularyBytes;
  tokenizeBytes(bytes: Uint8Array): Uint32Array;
  generate(
    input: readonly Message[] | string | Uint32Array,
    options: WireGenerateOptions,
    signal: AbortSignal | undefined,
    constraint: Constraint | undefined,
    hook: LogitsHook | undefined,
  ): WasmGeneration;
  embed(
    texts: readonly (string | Uint32Array)[],
    options: WireEmbedOptions,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]>;
  logits(ids: Uint32Array, answer: Uint32Array | undefined, adapters: readonly WireAdapterUse[] | undefined): Promise<Logits>;
  nll(ids: Uint32Array, adapters: readonly WireAdapterUse[] | undefined): Promise<Float32Array>;
  loadAdapter(
    source: WasmSource,
    options: WireAdapterOptions,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal | undefined,
  ): Promise<WireAdapter>;
  unloadAdapter(id: number): Promise<void>;
  decodeAt(context: number, tokens: number): Promise<DecodeSpeed>;
  profile(context: number): Promise<readonly KernelTime[]>;
  unload(): Promise<void>;
}

/** A vocabulary: the bytes of all tokens one after the other, where each ends, which are special, which end texts. */
export interface WasmVocabularyBytes {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  readonly special: Uint32Array;
  readonly eos: Uint32Array;
}

/** What an answer may say, token by token (`src/generate/guides.rs`). */
export interface Constraint {
  isOver(): boolean;
  mask(): Uint32Array;
  forced(): Uint32Array;
  commit(id: number): void;
  free(): void;
}

/** Pauses a load's download, and resumes it. */
export class WasmPause {
  set(paused: boolean): void;
}

/** Starts at the first `next()`; generations of one engine queue in order. */
export class WasmGeneration {
  next(): Promise<Token | Finish | PrefillProgress>;
  cancel(): void;
}

/** What a model is and whether it fits, from its headers; nothing is stored. */
export function inspectModel(source: WasmSource, options: WireLoadOptions, signal: AbortSignal | undefined): Promise<Inspected>;
export function listModels(): Promise<StoredModel[]>;
export function verifyModel(name: string, onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<StoredCheck>;
export function exportModel(name: string, onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<File[]>;
export function deleteModel(name: string): Promise<void>;
export function storageEstimate(): Promise<StorageEstimate>;
