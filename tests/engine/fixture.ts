/** A page with the real package, a profile on disk, tiny models beside it, and a file server that fails as asked. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { pipeline } from "node:stream/promises";
import { join } from "node:path";
import { chromium, expect, test as base, type BrowserContext, type Page } from "@playwright/test";
import { launchOptions } from "../../scripts/lib/chromium.mjs";
import { serve as serveFiles } from "../../scripts/lib/serve.mjs";
import { CACHE, ROOT } from "../../scripts/lib/util.mjs";
import { makeGguf } from "../../scripts/make-gguf.mjs";
import { serve as serveFaults } from "../e2e/server.mjs";
import { serveHub, type Hub } from "./hub.js";
import type * as Doran from "../../pkg/src/index.js";

declare global {
  interface Window {
    doran: typeof Doran;
    failure: (promise: Promise<unknown>) => Promise<{ code: string; name: string; message: string; data: Record<string, unknown> }>;
    /** Ids, text and end of an answer. */
    read: (generation: AsyncIterable<Doran.Token | Doran.Finish>) => Promise<{ ids: number[]; text: string; logprobs: number[]; end: Doran.Finish }>;
    /** What the database holds of a model: chunks that are said to be stored, those of them that are not what was written, and the rest. */
    rawStore: (name: string) => Promise<{ complete: boolean; stored: number; bad: number; missing: number }>;
    /** An engine that a test keeps between two calls. */
    engine: Doran.Engine;
    /**
   * Loads a model, gives what it computes for a few ids and what loading took, and unloads it: on the CPU, unless options say otherwise,
   * since kernels take seconds to compile here, and are no matter of most loads.
   */
    probe: (source: string, options?: Doran.LoadOptions) => Promise<{ logits: number[]; info: Doran.ModelInfo }>;
  }
}

/** Where models are that were made or downloaded. */
const MODELS = process.env["DORAN_MODELS"] ?? join(CACHE, "models");

/** The real model that stories about what a user sees are told of. */
export const REAL = {
  name: "SmolLM2-135M-Instruct.Q4_1.gguf",
  path: join(MODELS, "SmolLM2-135M-Instruct.Q4_1.gguf"),
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

const PAGE = `<!doctype html><meta charset="utf-8"><title>loading</title><script type="module" src="/page.js"></script>`;
const SCRIPT = `
import * as doran from "/pkg/dist/index.js";
window.doran = doran;
window.failure = (promise) => promise.then(
  () => ({ code: "none", name: "none", message: "it did not reject", data: {} }),
  (error) => ({ code: error.code, name: error.name, message: error.message, data: { ...error.data } }),
);
window.read = async (generation) => {
  const ids = [], logprobs = [];
  let text = "", end;
  for await (const item of generation) {
    text += item.text;
    if (item.finishReason === undefined) {
      ids.push(item.id);
      if (item.logprob !== undefined) logprobs.push(item.logprob);
    } else end = item;
  }
  return { ids, text, logprobs, end };
};
window.probe = async (source, options) => {
  const engine = await doran.Engine.load(source, { backend: "reference", ...options });
  const { lastLogits } = await engine.logits(Uint32Array.of(1, 5, 9));
  const info = engine.info;
  await engine.unload();
  return { logits: [...lastLogits.slice(0, 64)], info };
};
// What is really in the database, read by nobody's code but this.
window.rawStore = async (name) => {
  const settled = (request) => new Promise((resolve, reject) => { request.onsuccess = () => resolve(request.result); request.onerror = () => reject(request.error); });
  if (!(await indexedDB.databases()).some((one) => one.name === "doran")) return { complete: false, stored: 0, bad: 0, missing: 0 };
  const db = await settled(indexedDB.open("doran"));
  const store = (of) => db.transaction(of).objectStore(of);
  const manifest = await settled(store("manifests").get(name));
  let stored = 0, bad = 0, missing = 0;
  for (const [f, file] of (manifest?.files ?? []).entries()) for (const [c, chunk] of file.chunks.entries()) {
    if (!chunk.stored) { missing += 1; continue; }
    stored += 1;
    const record = await settled(store("chunks").get([name, f, c]));
    const bytes = record && (record.buffer ?? await record.blob.arrayBuffer().catch(() => undefined));
    const hash = bytes && [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (bytes?.byteLength !== chunk.len || hash !== chunk.sha256) bad += 1;
  }
  db.close();
  return { complete: manifest?.complete ?? false, stored, bad, missing };
};
document.title = "ready";
`;

/** Counts a worker's GPU buffers and their bytes: a test asks over a channel how many are left. */
const COUNT_BUFFERS = `
let live = 0, bytes = 0;
const { createBuffer } = GPUDevice.prototype;
GPUDevice.prototype.createBuffer = function (...args) {
  const buffer = createBuffer.apply(this, args);
  const { size, destroy } = buffer;
  live += 1;
  bytes += size;
  let gone = false;
  buffer.destroy = function () { if (!gone) { live -= 1; bytes -= size; } gone = true; return destroy.call(this); };
  return buffer;
};
new BroadcastChannel("live-buffers").onmessage = ({ data }) => {
  if (data === "count") new BroadcastChannel("live-answers").postMessage(live);
  if (data === "bytes") new BroadcastChannel("live-answers").postMessage(bytes);
};
`;

/** A GPU whose buffers find no room beyond `?bytes=` of the worker's address together. */
const LITTLE_MEMORY = `
const room = Number(new URL(location.href).searchParams.get("bytes"));
let live = 0;
const scopes = [];
const { createBuffer, pushErrorScope, popErrorScope } = GPUDevice.prototype;
GPUDevice.prototype.createBuffer = function (...args) {
  const buffer = createBuffer.apply(this, args);
  const { size, destroy } = buffer;
  live += size;
  const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
  if (live > room && scope !== undefined) scope.over = true;
  let gone = false;
  buffer.destroy = function () { if (!gone) live -= size; gone = true; return destroy.call(this); };
  return buffer;
};
GPUDevice.prototype.pushErrorScope = function (filter) { scopes.push({ filter, over: false }); return pushErrorScope.call(this, filter); };
GPUDevice.prototype.popErrorScope = function () {
  const scope = scopes.pop();
  const popped = popErrorScope.call(this);
  return scope?.over ? popped.then(() => new GPUOutOfMemoryError("no room")) : popped;
};
`;

/** A GPU for which no kernel compiles whose label begins with `?kernel=` of the worker's address. */
const SPOILT_KERNELS = `
const kernel = new URL(location.href).searchParams.get("kernel");
const { createShaderModule } = GPUDevice.prototype;
GPUDevice.prototype.createShaderModule = function (descriptor) {
  const { label, code } = descriptor;
  return createShaderModule.call(this, label.startsWith(kernel) ? { label, code: code + "\\nfn broken( {" } : descriptor);
};
`;

/** Tells, over a channel, which buffers and pipelines a worker asked its GPU for, in order: `createBuffer layer.0.k_cache`. */
const CALLS = `
const calls = [];
for (const name of ["createBuffer", "createComputePipeline", "createComputePipelineAsync"]) {
  const real = GPUDevice.prototype[name];
  GPUDevice.prototype[name] = function (descriptor) { calls.push(name + " " + descriptor.label); return real.call(this, descriptor); };
}
new BroadcastChannel("calls").onmessage = ({ data }) => {
  if (data === "tell") new BroadcastChannel("calls-told").postMessage(calls);
};
`;

/** A GPU that binds no more than `?bytes=` of the worker's address in one piece. */
const SMALL_BINDINGS = `
const most = Number(new URL(location.href).searchParams.get("bytes"));
const limits = Object.getOwnPropertyDescriptor(GPUDevice.prototype, "limits");
Object.defineProperty(GPUDevice.prototype, "limits", {
  ...limits,
  get() { return new Proxy(limits.get.call(this), { get: (real, key) => (key === "maxStorageBufferBindingSize" ? most : real[key]) }); },
});
`;

/** Lets a test fill the module's heap, or break its function table, over a channel. */
const WASM_FAULTS = `
let instance;
const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (...args) => {
  const made = await instantiate(...args);
  instance = made.instance ?? made;
  return made;
};
new BroadcastChannel("wasm-faults").onmessage = ({ data }) => {
  const { memory } = instance.exports;
  if (data === "fill") {
    for (let pages = 4096; pages >= 1; ) { try { memory.grow(pages); } catch { pages >>= 1; } }
  }
  if (data === "pages") return new BroadcastChannel("wasm-answers").postMessage(memory.buffer.byteLength / 65536);
  if (data === "break") new Uint8Array(memory.buffer).fill(255);
  new BroadcastChannel("wasm-answers").postMessage(data);
};
`;

/** No IndexedDB, as in some private modes. */
const NO_STORE = `Object.defineProperty(globalThis, "indexedDB", { value: undefined });`;

/** doran's worker after another module. Imported, not awaited: messages that come while a module waits are lost. */
const workerAfter = (module: string): string => `import "${module}"; import "/pkg/dist/worker.js";`;

export interface Site {
  readonly address: string;
  /** The file server with faults; it serves the folder of generated models. */
  readonly hub: Hub;
  readonly faults: { readonly url: string; readonly bytes: () => number; readonly expired: () => number; readonly reset: () => void };
}

/** A valid, incompressible model of about so many MiB. */
export function generated(mib: number): { path: string; name: string } {
  const folder = join(CACHE, "generated");
  mkdirSync(folder, { recursive: true });
  const name = `noise-${mib}.gguf`;
  const path = join(folder, name);
  if (!existsSync(path)) makeGguf(path, { mib, seed: 7 });
  return { path, name };
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

const isIds = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isInteger);

/** The greedy continuation that the reference gives for a tiny model. */
export function greedyGolden(arch: string): { prompt: number[]; ids: number[] } {
  const golden: unknown = JSON.parse(readFileSync(join(ROOT, "tests/fixtures/arch", arch, "golden.json"), "utf8"));
  const greedy: unknown = typeof golden === "object" && golden !== null && "greedy" in golden ? golden.greedy : undefined;
  if (typeof greedy === "object" && greedy !== null && "prompt" in greedy && "ids" in greedy && isIds(greedy.prompt) && isIds(greedy.ids)) {
    return { prompt: greedy.prompt, ids: greedy.ids };
  }
  throw new Error(`the golden of ${arch} has no greedy text`);
}

/** Sends a script in answer to these addresses. */
const SCRIPTS: Record<string, string> = {
  "/page.js": SCRIPT,
  "/count-buffers.js": COUNT_BUFFERS,
  "/counting.js": workerAfter("/count-buffers.js"),
  "/little-memory.js": LITTLE_MEMORY,
  "/with-little-memory.js": workerAfter("/little-memory.js"),
  "/spoilt-kernels.js": SPOILT_KERNELS,
  "/with-spoilt-kernels.js": workerAfter("/spoilt-kernels.js"),
  "/calls.js": CALLS,
  "/with-calls.js": workerAfter("/calls.js"),
  "/small-bindings.js": SMALL_BINDINGS,
  "/with-small-bindings.js": workerAfter("/small-bindings.js"),
  "/hide-store.js": NO_STORE,
  "/asks.js": `await fetch("/pkg/package.json"); postMessage("asked");`,
  "/no-store.js": workerAfter("/hide-store.js"),
  "/wasm-faults.js": WASM_FAULTS,
  "/with-wasm-faults.js": workerAfter("/wasm-faults.js"),
};

export const test = base.extend<{ profile: BrowserContext; doran: Page }, { site: Site; tiny: Page }>({
  site: [async ({}, use) => {
    const folder = join(CACHE, "generated");
    mkdirSync(folder, { recursive: true });
    const faults = await serveFaults(folder);
    const hub = await serveHub(join(ROOT, "tests/fixtures"));
    const server = await serveFiles({
      mounts: {
        "/pkg/": join(ROOT, "pkg"), "/arch/": join(ROOT, "tests/fixtures/arch"), "/split/": join(ROOT, "tests/fixtures/split"),
        "/kquant/": join(ROOT, "tests/fixtures/kquant_models"),
        "/adapters/": join(ROOT, "tests/fixtures/adapters"), "/models/": MODELS,
      },
      csp: `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ${faults.url} ${hub.url} ${hub.cdn}`,
      handle: (request: IncomingMessage, response: ServerResponse) => {
        const { pathname } = new URL(request.url ?? "/", "http://localhost");
        const script = SCRIPTS[pathname];
        if (pathname !== "/" && script === undefined) return false;
        response.writeHead(200, { "Content-Type": script === undefined ? "text/html" : "text/javascript" }).end(script ?? PAGE);
        return true;
      },
    });
    const bytes = (): number => Object.values(faults.stats()).reduce((sum, of) => sum + of.bytes, 0);
    await use({ address: server.address, faults: { url: faults.url, bytes, expired: () => faults.expired(), reset: () => faults.reset() }, hub });
    await server.close();
    await faults.close();
    await hub.close();
  }, { scope: "worker" }],

  /** A page whose `engine` all tests share that neither count what it does nor end it. */
  tiny: [async ({ browser, site }, use) => {
    const page = await browser.newPage();
    await open(page, site);
    await page.evaluate(async () => { window.engine = await window.doran.Engine.load("/arch/llama/model-f32.gguf"); });
    await use(page);
    await page.close();
  }, { scope: "worker" }],

  profile: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), "doran-engine-"));
    const context = await chromium.launchPersistentContext(folder, launchOptions(undefined));
    // What a page or one of its workers throws and nobody catches.
    const uncaught: string[] = [];
    context.on("weberror", (error) => uncaught.push(String(error.error())));
    await use(context);
    await context.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    expect(uncaught).toEqual([]);
  },

  doran: async ({ profile, site }, use) => {
    const page = profile.pages()[0] ?? await profile.newPage();
    await open(page, site);
    await use(page);
  },
});

/** Opens the page, or opens it anew. */
export async function open(page: Page, site: Site): Promise<void> {
  await page.goto(`${site.address}/`);
  await page.waitForFunction(() => document.title === "ready");
}

export { expect } from "@playwright/test";
