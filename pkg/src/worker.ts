/**
 * The worker: the one place that imports the WebAssembly module. It turns messages into calls and results into messages;
 * it decides nothing.
 */
import init, { deleteModel, exportModel, inspectModel, listModels, storageEstimate, verifyModel, WasmEngine, WasmPause, type Constraint, type WasmGeneration, type WasmSource } from "./wasm.js";
import { DoranError, toWire } from "./errors.js";
import { compile } from "./wasm-compile.js";
import { Constraints, importHook } from "./guides.js";
import { FetchProxy } from "./fetch-proxy.js";
import { isTrap, lastError } from "./trap.js";
import { inspectOffers, loadOffers, type LookAt } from "./loading.js";
import { offersOf, type Asking, type Offer } from "./offers.js";
import {
  isToWorker, PROTOCOL_VERSION, UNREAD_LIMIT,
  type AnyCall, type Args, type CallKind, type FromWorker, type PlainSource, type Result, type ToWorker, type WireLoadOptions, type WireSource,
} from "./protocol.js";
import type { Inspection } from "./inspection.js";
import type { ModelInfo } from "./types.js";

/** What a dedicated worker's global offers of what is used here; the DOM library types the page's global only. */
interface WorkerScope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<unknown>) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}
declare const self: WorkerScope;

/** A generation that is being sent. */
interface Stream {
  readonly generation: WasmGeneration;
  unread: number;
  /** Wakes the sender when the page has read. */
  wake: (() => void) | undefined;
}

const post = (message: FromWorker, transfer: Transferable[] = []): void => self.postMessage(message, transfer);

const fetches = new FetchProxy(post);
const streams = new Map<number, Stream>();
/** Loads, of models and adapters, inspections and embeddings that are under way. */
const controllers = new Map<number, AbortController>();
/** Loads whose download is paused, and the switches of those that have begun. */
const paused = new Set<number>();
const pauses = new Map<number, WasmPause>();
/** Calls that were cancelled before they began. */
const cancelled = new Set<number>();
/** Resolves when the module runs; rejects, once and for all, when it cannot. */
let startResolve: (memory: WebAssembly.Memory) => void;
let startReject: (reason: unknown) => void;
const started = new Promise<WebAssembly.Memory>((resolve, reject) => {
  startResolve = resolve;
  startReject = reject;
});
started.catch(() => undefined);
let heap: WebAssembly.Memory | undefined;
let engine: WasmEngine | undefined;
let constraints: Constraints | undefined;

function theEngine(): WasmEngine {
  if (engine === undefined) throw new DoranError("unloaded", "this worker has no model loaded");
  return engine;
}

function theConstraints(): Constraints {
  if (constraints !== undefined) return constraints;
  const why = "this page's bundle does not know where doran_constrained_bg.wasm is, which answers with a format take; give constrainedUrl";
  throw new DoranError("bad_argument", why, { argument: "constrainedUrl" });
}

async function start({ wasmUrl, wasmIntegrity, constrainedUrl, constrainedIntegrity }: Extract<ToWorker, { type: "init" }>): Promise<void> {
  if (constrainedUrl !== undefined) constraints = new Constraints(constrainedUrl, constrainedIntegrity);
  try {
    const { memory } = await init({ module_or_path: await compile(wasmUrl, wasmIntegrity) });
    heap = memory;
    startResolve(memory);
  } catch (thrown) {
    startReject(thrown);
    post({ type: "dead", error: toWire(thrown) });
  }
}

function source(wire: PlainSource, callId: number): WasmSource {
  switch (wire.kind) {
    case "url":
      return { url: wire.url, headers: wire.headers, ...(wire.proxyFetch ? { fetch: fetches.forCall(callId) } : {}) };
    case "file":
      return { file: wire.file, ...(wire.name === undefined ? {} : { name: wire.name }) };
    case "stored":
      return { stored: wire.name };
    case "files":
      return { files: wire.files, headers: wire.headers, ...(wire.proxyFetch ? { fetch: fetches.forCall(callId) } : {}) };
  }
}

/** How the hub is asked for a call. */
function asking(id: number, wire: WireSource, signal: AbortSignal): Omit<Asking, "what"> {
  const isStored = async (name: string): Promise<boolean> => (await listModels()).some((model) => model.name === name && model.complete);
  const own = wire.kind === "hub" && wire.proxyFetch ? fetches.forCall(id) : fetch;
  return { fetch: (url, init) => own(url, init), signal, isStored };
}

/** What a call's source offers, and how to look at one of the models. */
async function offered(id: number, { source: wire, options }: Args<"load">, signal: AbortSignal): Promise<{ offers: readonly [Offer, ...Offer[]]; look: LookAt }> {
  const { quantize } = options;
  const offers = await offersOf(wire, options.name, { ...asking(id, wire, signal), what: quantize === undefined ? "model" : "folder", quantize });
  return { offers, look: (offer, stepsDown) => inspectModel(source(offer.source, id), named(offer, options, stepsDown), signal) };
}

/** The options for one of the models. */
function named(offer: Offer, given: WireLoadOptions, down: boolean): WireLoadOptions {
  const options = { ...given, ...(offer.name === undefined || given.name !== undefined ? {} : { name: offer.name }) };
  delete options.fit;
  return down ? { ...options, fit: "auto" } : options;
}

/** Whether the caller leaves it to us to make a model fit. */
function stepsDown({ fit }: WireLoadOptions): boolean {
  const given: unknown = fit;
  if (given === undefined || given === "auto") return given === "auto";
  throw new DoranError("bad_argument", `fit must be "auto", or left out, and not ${JSON.stringify(given)}`, { argument: "fit" });
}

/** Loads, and measures the heap from outside: a WebAssembly memory never shrinks, so its growth is its peak. */
async function load(id: number, args: Args<"load">): Promise<ModelInfo> {
  if (engine !== undefined) throw new DoranError("internal", "this worker has a model already");
  const memory = await started;
  const down = stepsDown(args.options);
  const pause = new WasmPause();
  pauses.set(id, pause);
  pause.set(paused.has(id));
  return abortable(id, async (signal) => {
    const { offers, look } = await offered(id, args, signal);
    return loadOffers(offers, down, look, async (offer) => {
      const before = memory.buffer.byteLength;
      engine = await WasmEngine.load(
        source(offer.source, id), named(offer, args.options, down), (progress) => post({ type: "progress", id, progress }), signal, pause,
      );
      const info = engine.info();
      return { ...info, load: { ...info.load, peakWasmBytesGrown: memory.buffer.byteLength - before } };
    });
  });
}

function loadAdapter(id: number, { source: wire, options }: Args<"loadAdapter">): Promise<Result<"loadAdapter">> {
  return abortable(id, async (signal) => {
    const [offer] = await offersOf(wire, options.name, { ...asking(id, wire, signal), what: "adapter" });
    const named = { ...(offer.name === undefined ? {} : { name: offer.name }), ...options };
    return theEngine().loadAdapter(source(offer.source, id), named, (progress) => post({ type: "progress", id, progress }), signal);
  });
}

function inspect(id: number, args: Args<"inspect">): Promise<Inspection> {
  const down = stepsDown(args.options);
  return abortable(id, async (signal) => {
    const { offers, look } = await offered(id, args, signal);
    return inspectOffers(offers, down, look);
  });
}

/** Runs what ends when the call is cancelled. */
async function abortable<T>(id: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  controllers.set(id, controller);
  if (cancelled.delete(id)) controller.abort();
  try {
    return await run(controller.signal);
  } finally {
    controllers.delete(id);
  }
}

async function generate(id: number, { input, options: { format, logitsHook, ...options } }: Args<"generate">): Promise<null> {
  const target = theEngine();
  const hook = logitsHook === undefined ? undefined : await importHook(logitsHook);
  const constraint = format === undefined ? undefined : await theConstraints().of(target, format);
  try {
    return await send(id, target.generate(input, options, undefined, constraint, hook));
  } finally {
    free(constraint);
  }
}

function free(constraint: Constraint | undefined): void {
  try {
    constraint?.free();
  } catch {
    // Its module is broken, which the answer has told: nothing of it can be freed.
  }
}

/** Sends a generation token by token, waiting while the page has `UNREAD_LIMIT` unread. */
async function send(id: number, generation: WasmGeneration): Promise<null> {
  const stream: Stream = { generation, unread: 0, wake: undefined };
  streams.set(id, stream);
  if (cancelled.delete(id)) generation.cancel();
  try {
    for (;;) {
      const item = await generation.next();
      if ("promptTokens" in item) {
        post({ type: "prefill", id, progress: item });
        continue;
      }
      post({ type: "token", id, item });
      if (item.finishReason !== undefined) return null;
      stream.unread += 1;
      if (stream.unread >= UNREAD_LIMIT) await new Promise<void>((resolve) => { stream.wake = resolve; });
    }
  } finally {
    streams.delete(id);
  }
}

async function unload(): Promise<null> {
  const leaving = engine;
  engine = undefined;
  for (const stream of streams.values()) stop(stream);
  for (const controller of controllers.values()) controller.abort();
  await leaving?.unload();
  return null;
}

/** Ends a generation; a sender that waits for the page is woken to see it end. */
function stop(stream: Stream): void {
  stream.generation.cancel();
  stream.unread = Number.NEGATIVE_INFINITY;
  stream.wake?.();
}

/** How each call is answered. */
const handlers: { readonly [K in CallKind]: (id: number, args: Args<K>) => Result<K> | Promise<Result<K>> } = {
  load,
  inspect,
  generate,
  unload,
  embed: (id, { texts, options }) => abortable(id, (signal) => theEngine().embed(texts, options, signal)),
  tokenize: (_, { text, addSpecialTokens }) => theEngine().tokenize(text, addSpecialTokens),
  detokenize: (_, { ids, skipSpecialTokens }) => theEngine().detokenize(ids, skipSpecialTokens),
  applyChatTemplate: (_, { messages, options }) => theEngine().applyChatTemplate(messages, options),
  logits: (_, { ids, answer: given, adapters }) => theEngine().logits(ids, given, adapters),
  nll: (_, { ids, adapters }) => theEngine().nll(ids, adapters),
  loadAdapter,
  unloadAdapter: (_, { adapter }) => theEngine().unloadAdapter(adapter).then(() => null),
  stats: () => theEngine().stats(),
  profile: (_, { context }) => theEngine().profile(context),
  decodeAt: (_, { context, tokens }) => theEngine().decodeAt(context, tokens),
  listModels: () => listModels(),
  deleteModel: (_, { name }) => deleteModel(name).then(() => null),
  verifyModel: (id, { name }) => abortable(id, (signal) => verifyModel(name, (progress) => post({ type: "progress", id, progress }), signal)),
  exportModel: (id, { name }) => abortable(id, (signal) => exportModel(name, (progress) => post({ type: "progress", id, progress }), signal)),
  storageEstimate: async () => ({ ...await storageEstimate(), persisted: await navigator.storage.persisted() }),
};

/** Nothing works any more: the page ends this worker, and what is pending rejects. */
function die(thrown: unknown): void {
  post({ type: "dead", error: lastError(thrown, heap) });
}

async function answer<K extends CallKind>(
  call: { readonly id: number; readonly kind: K; readonly args: Args<K> },
  reply: (result: Result<K>) => FromWorker,
): Promise<void> {
  const { id, kind, args } = call;
  try {
    await started;
    post(reply(await handlers[kind](id, args)));
  } catch (thrown) {
    if (isTrap(thrown)) die(thrown);
    else post({ type: "failed", id, error: toWire(thrown) });
  }
  cancelled.delete(id);
  paused.delete(id);
  pauses.delete(id);
}

/** One arm a call: here the compiler sees that each result goes out under its own call's name. */
function dispatch(call: AnyCall): Promise<void> {
  const { id } = call;
  switch (call.kind) {
    case "load": return answer(call, (result) => ({ type: "reply", id, kind: "load", result }));
    case "inspect": return answer(call, (result) => ({ type: "reply", id, kind: "inspect", result }));
    case "generate": return answer(call, (result) => ({ type: "reply", id, kind: "generate", result }));
    case "embed": return answer(call, (result) => ({ type: "reply", id, kind: "embed", result }));
    case "tokenize": return answer(call, (result) => ({ type: "reply", id, kind: "tokenize", result }));
    case "detokenize": return answer(call, (result) => ({ type: "reply", id, kind: "detokenize", result }));
    case "applyChatTemplate": return answer(call, (result) => ({ type: "reply", id, kind: "applyChatTemplate", result }));
    case "logits": return answer(call, (result) => ({ type: "reply", id, kind: "logits", result }));
    case "nll": return answer(call, (result) => ({ type: "reply", id, kind: "nll", result }));
    case "loadAdapter": return answer(call, (result) => ({ type: "reply", id, kind: "loadAdapter", result }));
    case "unloadAdapter": return answer(call, (result) => ({ type: "reply", id, kind: "unloadAdapter", result }));
    case "stats": return answer(call, (result) => ({ type: "reply", id, kind: "stats", result }));
    case "profile": return answer(call, (result) => ({ type: "reply", id, kind: "profile", result }));
    case "decodeAt": return answer(call, (result) => ({ type: "reply", id, kind: "decodeAt", result }));
    case "unload": return answer(call, (result) => ({ type: "reply", id, kind: "unload", result }));
    case "listModels": return answer(call, (result) => ({ type: "reply", id, kind: "listModels", result }));
    case "verifyModel": return answer(call, (result) => ({ type: "reply", id, kind: "verifyModel", result }));
    case "deleteModel": return answer(call, (result) => ({ type: "reply", id, kind: "deleteModel", result }));
    case "exportModel": return answer(call, (result) => ({ type: "reply", id, kind: "exportModel", result }));
    case "storageEstimate": return answer(call, (result) => ({ type: "reply", id, kind: "storageEstimate", result }));
  }
}

function receive(message: ToWorker): void {
  switch (message.type) {
    case "init":
      void start(message);
      return;
    case "call":
      void dispatch(message);
      return;
    case "cancel": {
      const stream = streams.get(message.id);
      const controller = controllers.get(message.id);
      if (stream !== undefined) stop(stream);
      else if (controller !== undefined) controller.abort();
      else cancelled.add(message.id);
      return;
    }
    case "pause":
      if (message.paused) paused.add(message.id);
      else paused.delete(message.id);
      pauses.get(message.id)?.set(message.paused);
      return;
    case "read": {
      const stream = streams.get(message.id);
      if (stream === undefined) return;
      stream.unread -= message.count;
      if (stream.unread < UNREAD_LIMIT) stream.wake?.();
      return;
    }
    case "fetched":
    case "fetchChunk":
    case "fetchFailed":
      fetches.receive(message);
      return;
  }
}

// A trap in a continuation reaches nobody who waits for it.
self.addEventListener("error", (event) => {
  event.preventDefault();
  die(event.error ?? event.message);
});
self.addEventListener("unhandledrejection", (event) => {
  if (!isTrap(event.reason)) return;
  event.preventDefault();
  die(event.reason);
});
self.addEventListener("message", ({ data }) => {
  if (isToWorker(data)) receive(data);
});

post({ type: "started" });
// A lock is let go when its holder dies, however it dies: the page asks for the same lock to learn of it.
const lock = `doran:worker:${crypto.randomUUID()}`;
if (navigator.locks === undefined) {
  post({ type: "hello", version: PROTOCOL_VERSION, lock: "" });
} else {
  void navigator.locks.request(lock, () => {
    post({ type: "hello", version: PROTOCOL_VERSION, lock });
    return new Promise<never>(() => undefined);
  });
}
