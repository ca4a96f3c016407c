/** What the WebAssembly module exports (`src/wasm.rs`), as the worker sees it. Errors it throws are `{ code, message, data }`. */
import type { EngineStats, Finish, KernelTime, Logits, Message, ModelInfo, PrefillProgress, Progress, StorageEstimate, StoredCheck, StoredModel, Token } from "./types.js";
import type { Inspected } from "./fit.js";
import type { WireAdapter, WireAdapterOptions, WireAdapterUse, WireEmbedOptions, WireGenerateOptions, WireLoadOptions } from "./protocol.js";

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
  detokenize(ids: Uint32Array): string;
  applyChatTemplate(messages: readonly Message[], options: { addGenerationPrompt: boolean }): string;
  generate(
    input: readonly Message[] | string | Uint32Array,
    options: WireGenerateOptions,
    signal: AbortSignal | undefined,
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
  profile(context: number): Promise<readonly KernelTime[]>;
  unload(): Promise<void>;
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
export function deleteModel(name: string): Promise<void>;
export function storageEstimate(): Promise<StorageEstimate>;
