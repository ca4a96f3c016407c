/**
 * A stand-in for the WebAssembly module, for what does not need a model: the worker, the protocol, packaging.
 *
 * It has the exports of the real one. The model's URL tells it how to behave:
 * `?error=<code>` fails the load, `?hang` never ends it, `?throw` throws outside of any promise, `?grow=<pages>` grows the
 * heap, `?pace=<ms>` makes each token take a while, `?fetch-slices` asks for the file in ranges of a kilobyte, `?encoder` embeds
 * and does not generate.
 *
 * A model takes as much room as the digit in its file's format says (`Q4_K_M` takes 4); a device has as much as the header `X-Room`
 * says, or 99. A context above 1024 takes 1 more.
 */
const STORE = "fake-models";

const fail = (code, message, data = {}) => {
  throw { code, message, data };
};
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let memory;

export default async function init({ module_or_path }) {
  const instance = await WebAssembly.instantiate(module_or_path, {});
  memory = instance.exports.memory;
  return { memory };
}

function storeTransaction(mode, use) {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open(STORE, 1);
    open.onupgradeneeded = () => open.result.createObjectStore("models", { keyPath: "name" });
    open.onerror = () => reject({ code: "storage", message: String(open.error), data: {} });
    open.onsuccess = () => {
      const transaction = open.result.transaction("models", mode);
      const request = use(transaction.objectStore("models"));
      // Not at the request's success: a worker that ends then takes the change with it.
      transaction.oncomplete = () => {
        open.result.close();
        resolve(request.result);
      };
      transaction.onabort = () => reject({ code: "storage", message: String(transaction.error), data: {} });
    };
  });
}

async function readAll(response, onBytes, signal) {
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    signal?.throwIfAborted();
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes += value.byteLength;
    onBytes(bytes);
  }
}

async function fetchModel(source, onBytes, signal) {
  const fetcher = source.fetch ?? fetch;
  const get = async (headers) => {
    const response = await fetcher(source.url, { headers: [...source.headers, ...headers], signal }).catch((error) => {
      if (signal.aborted) throw error;
      fail("network", `no connection: ${error.message}`, { url: source.url });
    });
    if (!response.ok) fail("network", `HTTP ${response.status}`, { url: source.url, status: response.status });
    return response;
  };
  if (!new URL(source.url).searchParams.has("fetch-slices")) return readAll(await get([]), onBytes, signal);
  for (let offset = 0; ; offset += 1024) {
    const response = await get([["range", `bytes=${offset}-${offset + 1023}`]]);
    const total = Number(response.headers.get("content-range").split("/")[1]);
    await readAll(response, (bytes) => onBytes(offset + bytes), signal);
    if (offset + 1024 >= total) return total;
  }
}

/** What a model with these options takes, of how much there is, and with which context. */
function roomFor(source, options) {
  const path = source.files?.at(-1)?.path ?? new URL(source.url ?? "file:///model").pathname;
  const format = /(?:Q|F|BF)(\d+)/.exec(path);
  const room = Number(new Headers(source.headers ?? []).get("x-room") ?? 99);
  const takes = (context) => Number(format?.[1] ?? 1) + (context > 1024 ? 1 : 0);
  const wanted = options.context ?? 4096;
  const context = options.fit === "auto" && takes(wanted) > room ? Math.min(wanted, 1024) : wanted;
  const adjustments = context === wanted ? [] : [{ what: "context", from: wanted, to: context }];
  return { takes: takes(context), room, context, adjustments };
}

export async function inspectModel(source, options, signal) {
  const query = source.url === undefined ? new URLSearchParams() : new URL(source.url).searchParams;
  if (query.has("error")) fail(query.get("error"), "asked to fail", { asked: true });
  if (query.has("hang")) await new Promise((_, reject) => signal.addEventListener("abort", () => reject({ code: "aborted", message: "aborted", data: {} })));
  const { takes, room, context, adjustments } = roomFor(source, options);
  const url = source.url ?? source.files?.[0]?.url;
  if (url !== undefined) await (source.fetch ?? fetch)(url, { headers: [...source.headers, ["range", "bytes=0-0"]], signal });
  const verdict = takes > room ? "no" : takes === room ? "tight" : "fits";
  return {
    architecture: "fake", kind: "decoder", title: null, license: null, parameters: 1, vocabSize: 0x110000, formats: [], maxContext: 8192, context,
    kvCache: "f16", fileBytes: 10_000, storedBytes: 0, downloadBytes: 10_000,
    gpu: {
      totalBytes: takes, weightsBytes: takes, kvBytes: 0, kvBytesPerToken: 0, activationBytes: 0, otherBytes: 0, largestBindingBytes: takes,
      largestBinding: "a weight", maxBindingBytes: room,
    },
    availableStorageBytes: null, verdict, reason: verdict === "fits" ? null : "because", adjustments,
  };
}

export class WasmPause {
  paused = false;
  set(paused) {
    this.paused = paused;
  }
}

export class WasmEngine {
  static async load(source, options, onProgress, signal) {
    const query = source.url === undefined ? new URLSearchParams() : new URL(source.url).searchParams;
    const begun = performance.now();
    const progress = (phase, loadedBytes, totalBytes) => onProgress({
      phase, loadedBytes, totalBytes, fromStoreBytes: source.stored ? loadedBytes : 0, bytesPerSecond: 1e6, secondsLeft: 0,
    });
    progress("header", 0, 0);
    if (query.has("error")) fail(query.get("error"), "asked to fail", { asked: true });
    if (query.has("throw")) setTimeout(() => { throw new Error("asked to throw"); });
    if (query.has("throw") || query.has("hang")) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject({ code: "aborted", message: "aborted", data: {} })));
    }
    const { takes, room, context, adjustments } = roomFor(source, options);
    if (takes > room) fail("out_of_memory", "no room", { needed_bytes: takes, available_bytes: room });
    memory.grow(Number(query.get("grow") ?? 0));
    const engine = new WasmEngine();
    engine.adjustments = adjustments;
    let bytes = 0;
    if (source.stored !== undefined) {
      const stored = await storeTransaction("readonly", (store) => store.get(source.stored));
      if (stored === undefined) fail("not_found", `no stored model is called ${source.stored}`, { name: source.stored });
      bytes = stored.totalBytes;
      progress("store", bytes, bytes);
      engine.name = stored.name;
    } else if (source.url !== undefined) {
      bytes = await fetchModel(source, (n) => progress("download", n, n), signal);
      engine.name = options.name ?? new URL(source.url).pathname.split("/").pop();
    } else {
      bytes = source.file?.size ?? 0;
      engine.name = options.name ?? source.name ?? "files";
    }
    if (options.store !== false && source.url !== undefined) {
      await storeTransaction("readwrite", (store) => store.put({
        name: engine.name, url: source.url, totalBytes: bytes, storedBytes: bytes, complete: true, lastUsed: Date.now(), verifiedAt: Date.now(), sharedBytes: 0, sharedWith: [],
      }));
    }
    progress("ready", bytes, bytes);
    engine.pace = Number(query.get("pace") ?? 0);
    engine.kind = query.has("encoder") ? "encoder" : "decoder";
    engine.context = context;
    engine.load = {
      ms: performance.now() - begun, bytesDownloaded: source.url ? bytes : 0, bytesFromStore: source.stored ? bytes : 0,
      gpuBytes: bytes, tokenizerBytes: 1000, peakWasmBytesGrown: -1,
      times: { fetch: 0, hash: 0, store: 0, upload: 0, tune: 0, compile: 0 },
    };
    return engine;
  }

  name = "";
  pace = 0;
  kind = "decoder";
  adjustments = [];
  turn = Promise.resolve();
  decoded = 0;
  active = 0;
  unloaded = false;

  info() {
    return {
      name: this.name, architecture: "fake", kind: this.kind, context: this.context, vocabSize: 0x110000, integrity: "unverified",
      adapter: { vendor: "fake", architecture: "", device: "", description: "no adapter", isFallback: true, features: [], limits: {} },
      load: this.load, chatTemplate: null, outdated: false, warnings: [], adjustments: this.adjustments,
    };
  }

  stats() {
    const count = {
      dispatches: 0, passes: 0, submits: this.decoded, created: 0, bufferWrites: 0, bytesWritten: 0, readbackBytes: 4 * this.decoded,
      weightBytesRead: 0, kvBytesRead: 0, liveObjects: this.unloaded ? 0 : 1,
    };
    return { counters: count, prefillTps: 100, decodeTps: 50, tokensPrefilled: 0, tokensDecoded: this.decoded };
  }

  tokenize(text) {
    return Uint32Array.from(text, (c) => c.codePointAt(0));
  }

  detokenize(ids) {
    for (const id of ids) if (id > 0x10ffff) fail("bad_argument", `there is no token ${id}`, { argument: "ids" });
    return String.fromCodePoint(...ids);
  }

  applyChatTemplate(messages, { addGenerationPrompt = true }) {
    return messages.map((m) => `<${m.role}>${m.content}`).join("") + (addGenerationPrompt ? "<assistant>" : "");
  }

  generate(input, options) {
    this.scaleOf(options.adapters);
    return new WasmGeneration(this, input, options);
  }

  /** A text is its number of characters, 1 before it as the mean and 2 as the first row's. */
  async embed(texts, { pooling = "mean" }, signal) {
    if (this.kind !== "encoder") fail("unsupported", "a decoder does not embed", { what: "embeddings of a model that generates" });
    const rows = [];
    for (const [index, text] of texts.entries()) {
      if (this.pace > 0) await sleep(this.pace);
      if (signal?.aborted) fail("aborted", "aborted");
      if (text.length > this.context) fail("context_overflow", "too long", { context: this.context, needed: text.length, index });
      rows.push(Float32Array.of(pooling === "mean" ? 1 : 2, text.length));
    }
    return rows;
  }

  adapters = new Map();
  lastAdapter = 0;

  /** Weighs nothing, changes nothing: what a request says of it comes back as the sum of its scales (`logits`). */
  async loadAdapter(source, options, onProgress, signal) {
    const query = source.url === undefined ? new URLSearchParams() : new URL(source.url).searchParams;
    if (query.has("error")) fail(query.get("error"), "asked to fail", { asked: true });
    const bytes = source.url === undefined ? source.file?.size ?? 0 : await fetchModel(source, () => undefined, signal);
    onProgress({ phase: "ready", loadedBytes: bytes, totalBytes: bytes, fromStoreBytes: 0, bytesPerSecond: 1e6, secondsLeft: 0 });
    const id = ++this.lastAdapter;
    const name = options.name ?? (source.url === undefined ? source.name ?? "adapter" : new URL(source.url).pathname.split("/").pop());
    this.adapters.set(id, name);
    return {
      id, name, title: null, rank: 8, bytes, targets: ["q_proj", "v_proj"], modules: 2, integrity: "unverified",
      bytesDownloaded: source.url === undefined ? 0 : bytes, bytesFromStore: 0, warnings: [],
    };
  }

  async unloadAdapter(id) {
    this.adapters.delete(id);
  }

  scaleOf(adapters = []) {
    for (const { id } of adapters) if (!this.adapters.has(id)) fail("unloaded", "the adapter was unloaded");
    return adapters.reduce((sum, { scale }) => sum + scale, 0);
  }

  async logits(ids, answer, adapters) {
    const scale = this.scaleOf(adapters);
    if (ids.length > this.context) fail("context_overflow", "too long", { context: this.context, needed: ids.length });
    return { lastLogits: Float32Array.of(0.25 + scale, ids.length), top1: answer ?? ids };
  }

  async nll(ids) {
    return new Float32Array(ids.length - 1).fill(1);
  }

  async decodeAt(context, tokens) {
    if (context + tokens > this.context) fail("context_overflow", "there is no room for so many", { needed: context + tokens, context: this.context });
    return { tokens, ms: tokens, tps: 1000, counters: { ...this.stats().counters } };
  }

  async profile(context) {
    if (context >= this.context) fail("context_overflow", "too long", { context: this.context, needed: context + 1 });
    return [{ rows: 1, kernel: "fake", dispatches: 2, ms: 0.5, weightBytes: 64, kvBytes: 0, multiplyAdds: 32 }];
  }

  async unload() {
    this.unloaded = true;
  }
}

/** Says the prompt back, a character a token. With `ignoreEos` it goes round and round. */
export class WasmGeneration {
  #engine;
  #options;
  #text;
  #at = 0;
  #stopped = false;
  #finished = false;
  #release;
  #prompt;

  constructor(engine, input, options) {
    this.#engine = engine;
    this.#options = options;
    this.#prompt = typeof input === "string" ? input : input instanceof Uint32Array ? engine.detokenize(input) : input.at(-1).content;
    this.#text = [...`You said: ${this.#prompt}`];
  }

  async next() {
    if (this.#release === undefined) {
      const before = this.#engine.turn;
      this.#engine.turn = new Promise((resolve) => { this.#release = resolve; });
      await before;
      if (this.#engine.kind === "encoder") {
        this.#release();
        fail("unsupported", "an encoder does not generate", { what: "generation by an encoder" });
      }
      this.#engine.active += 1;
      if (this.#engine.active > 1) fail("internal", "two generations at once");
      if (this.#prompt.length > this.#engine.context) {
        this.#end();
        fail("context_overflow", "the prompt is too long", { context: this.#engine.context, needed: this.#prompt.length });
      }
    }
    if (this.#engine.unloaded) fail("unloaded", "the engine was unloaded");
    if (this.#engine.pace > 0) await sleep(this.#engine.pace);
    const { maxTokens = Infinity, ignoreEos = false } = this.#options;
    if (this.#stopped) return this.#finish("aborted");
    if (this.#at >= maxTokens) return this.#finish("length");
    if (this.#at >= this.#text.length && !ignoreEos) return this.#finish("stop");
    const text = this.#text[this.#at % this.#text.length];
    this.#at += 1;
    this.#engine.decoded += 1;
    return { id: text.codePointAt(0), text };
  }

  #end() {
    if (this.#finished) return;
    this.#finished = true;
    this.#engine.active -= 1;
    this.#release();
  }

  #finish(finishReason) {
    this.#end();
    const promptTokens = this.#prompt.length;
    const usage = {
      promptTokens, completionTokens: this.#at, cachedTokens: 0, droppedTokens: 0, totalTokens: promptTokens + this.#at, prefillMs: 1, decodeMs: 1,
    };
    return { text: "", finishReason, usage };
  }

  cancel() {
    this.#stopped = true;
  }
}

export function listModels() {
  return storeTransaction("readonly", (store) => store.getAll());
}

export async function deleteModel(name) {
  const stored = await storeTransaction("readonly", (store) => store.get(name));
  if (stored === undefined) fail("not_found", `no stored model is called ${name}`, { name });
  await storeTransaction("readwrite", (store) => store.delete(name));
}

export async function verifyModel(name, onProgress) {
  const stored = await storeTransaction("readonly", (store) => store.get(name));
  if (stored === undefined) fail("not_found", `no stored model is called ${name}`, { name });
  const bytes = stored.storedBytes;
  onProgress({ phase: "store", loadedBytes: bytes, totalBytes: bytes, fromStoreBytes: bytes, bytesPerSecond: 0 });
  await storeTransaction("readwrite", (store) => store.put({ ...stored, verifiedAt: Date.now() }));
  return { chunks: 1, bytes, damaged: 0 };
}

export async function exportModel(name, onProgress) {
  const stored = await storeTransaction("readonly", (store) => store.get(name));
  if (stored === undefined) fail("not_found", `no stored model is called ${name}`, { name });
  const bytes = stored.storedBytes;
  onProgress({ phase: "store", loadedBytes: bytes, totalBytes: bytes, fromStoreBytes: bytes, bytesPerSecond: 0 });
  return [new File([new Uint8Array(bytes)], new URL(stored.url).pathname.split("/").pop())];
}

export async function storageEstimate() {
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  return { usageBytes: usage, quotaBytes: quota, persisted: await navigator.storage.persisted() };
}
