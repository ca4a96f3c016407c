/**
 * The page's end of the protocol: one worker, calls by id, and the certainty that every call ends, also when the worker
 * does not load, dies or is terminated from outside.
 */
import { DoranError, fromWire, toWire } from "./errors.js";
import { FetchServer, type PageFetch } from "./fetch-server.js";
import { isFromWorker, isReplyTo, PROTOCOL_VERSION } from "./protocol.js";
import type { AnyCall, CallKind, CallMessage, FromWorker, Result, SomeReply, ToWorker } from "./protocol.js";
import type { Finish, PrefillProgress, Progress, Token } from "./types.js";

/** Where the package's own files are, when the bundler did not find them by itself. */
export interface AssetOptions {
  /** Where `doran_bg.wasm` is; the default is beside the package's `index.js`. */
  readonly wasmUrl?: string | URL;
  /**
   * The hash that `doran_bg.wasm` must have, as in `doran/integrity.json` (`"sha384-…"`): another module is refused with `bad_hash` before
   * anything of it runs.
   */
  readonly wasmIntegrity?: string;
  /**
   * Where `doran_constrained_bg.wasm` is, which is fetched when an answer first has a `format`; the default is beside `index.js`. A bundle
   * without `import.meta.url`, such as an IIFE, cannot tell: answers with a format reject with `bad_argument` there.
   */
  readonly constrainedUrl?: string | URL;
  /** The hash that it must have. */
  readonly constrainedIntegrity?: string;
  /** Where `worker.js` is; it must be of the page's origin. */
  readonly workerUrl?: string | URL;
  /** Makes the module worker, for pages whose policy needs more than a URL (Trusted Types, another origin). */
  readonly createWorker?: () => Worker;
}

/** How long a cancelled load may take to let go of locks and GPU memory before its worker is ended by force. */
const CANCEL_GRACE_MS = 5000;

/** What a call may hear of before it ends. */
export interface CallEvents {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly onPrefill?: ((progress: PrefillProgress) => void) | undefined;
  readonly onToken?: ((item: Token | Finish) => void) | undefined;
  /** Fetches for this call. */
  readonly fetch?: PageFetch | undefined;
}

interface Pending extends CallEvents {
  readonly settle: (reply: SomeReply) => void;
  readonly fail: (error: unknown) => void;
}

/** One worker and what it was asked. */
export class Connection {
  readonly #worker: Worker;
  /** Calls without an answer; and loads that have one, for a model and its adapters load again where their GPU is lost: fetched as before. */
  readonly #pending = new Map<number, Pending>();
  readonly #fetches: FetchServer;
  readonly #workerUrl: string;
  /** Watches the worker's lock; ended with the worker. */
  readonly #watch = new AbortController();
  #nextId = 1;
  #started = false;
  /** Why nothing works any more. */
  #dead: DoranError | undefined;

  /** Starts the worker. Throws a `DoranError` where the page may not make one. */
  constructor(assets: AssetOptions) {
    requireWorkers();
    const { wasmIntegrity, constrainedIntegrity } = assets;
    const wasmUrl = absolute(assets.wasmUrl ?? new URL("./doran_bg.wasm", import.meta.url));
    const constrainedUrl = assets.constrainedUrl === undefined ? besideThis() : absolute(assets.constrainedUrl);
    this.#workerUrl = assets.workerUrl === undefined ? "the package's worker.js" : absolute(assets.workerUrl);
    this.#worker = makeWorker(assets, this.#workerUrl);
    this.#fetches = new FetchServer((message, transfer) => this.#post(message, transfer), (callId) => this.#pending.get(callId)?.fetch);
    this.#worker.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (isFromWorker(data)) this.#receive(data);
    });
    this.#worker.addEventListener("error", (event) => this.#onError(event));
    this.#worker.addEventListener("messageerror", () => this.close(new DoranError("internal", "a message of the worker could not be read")));
    this.#post({ type: "init", wasmUrl, wasmIntegrity, constrainedUrl, constrainedIntegrity });
  }

  /** Aborts when nothing works any more. */
  get ended(): AbortSignal {
    return this.#watch.signal;
  }

  /** Makes a call; `message` builds it from its id. Rejects with a `DoranError`. */
  call<K extends CallKind>(kind: K, message: (id: number) => CallMessage<K> & AnyCall, events: CallEvents = {}): {
    readonly id: number;
    readonly result: Promise<Result<K>>;
  } {
    const id = this.#nextId++;
    const result = new Promise<Result<K>>((resolve, reject) => {
      if (this.#dead !== undefined) {
        reject(this.#dead);
        return;
      }
      const settle = (reply: SomeReply): void => {
        if (isReplyTo(reply, kind)) resolve(reply.result);
        else reject(new DoranError("internal", `the worker answered ${kind} with ${reply.kind}`));
      };
      this.#pending.set(id, { ...events, settle, fail: reject });
      try {
        this.#post(message(id));
      } catch (thrown) {
        this.#pending.delete(id);
        reject(new DoranError("bad_argument", `an argument of ${kind} cannot be sent to the worker: ${toWire(thrown).message}`));
      }
    });
    return { id, result };
  }

  /** Of a call that frees something: throws what it rejected with, unless that is gone already, with its worker or before. */
  unlessGone(thrown: unknown): void {
    if (this.#dead === undefined && !(thrown instanceof DoranError && thrown.code === "unloaded")) throw thrown;
  }

  /** Asks the worker to end a call. */
  cancel(id: number): void {
    if (this.#dead === undefined) this.#post({ type: "cancel", id });
  }

  /** Pauses the download of a load, or resumes it. */
  pause(id: number, paused: boolean): void {
    if (this.#dead === undefined) this.#post({ type: "pause", id, paused });
  }

  /** Says that `count` tokens of a generation were read. */
  read(id: number, count: number): void {
    if (this.#dead === undefined) this.#post({ type: "read", id, count });
  }

  /** Ends the worker now; what is pending rejects with `reason`. */
  close(reason: DoranError): void {
    if (this.#dead !== undefined) return;
    this.#dead = reason;
    this.#watch.abort();
    this.#worker.terminate();
    this.#fetches.close();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { fail } of pending) fail(reason);
  }

  /** Ends the worker when `settled` settles, or after a while by force. For a load that was cancelled. */
  closeAfter(settled: Promise<unknown>, reason: DoranError): void {
    const close = (): void => this.close(reason);
    const timer = setTimeout(close, CANCEL_GRACE_MS);
    void settled.catch(() => undefined).finally(() => {
      clearTimeout(timer);
      close();
    });
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "started":
        this.#started = true;
        return;
      case "hello":
        this.#greet(message.version, message.lock);
        return;
      case "dead":
        this.close(fromWire(message.error));
        return;
      case "reply":
        this.#pending.get(message.id)?.settle(message);
        if (message.kind !== "load" && message.kind !== "loadAdapter") this.#pending.delete(message.id);
        return;
      case "failed":
        this.#pending.get(message.id)?.fail(fromWire(message.error));
        this.#pending.delete(message.id);
        return;
      case "progress":
        this.#pending.get(message.id)?.onProgress?.(message.progress);
        return;
      case "prefill":
        this.#pending.get(message.id)?.onPrefill?.(message.progress);
        return;
      case "token":
        this.#pending.get(message.id)?.onToken?.(message.item);
        return;
      case "fetch":
      case "fetchPull":
      case "fetchCancel":
        this.#fetches.receive(message);
        return;
    }
  }

  #greet(version: number, lock: string): void {
    if (version !== PROTOCOL_VERSION) {
      this.close(new DoranError("internal", "index.js and worker.js are of different versions of doran; reload the page or rebuild it"));
      return;
    }
    if (lock === "") return;
    // Granted only when the worker no longer holds it, that is, when it is gone.
    void navigator.locks.request(lock, { signal: this.#watch.signal }, () => {
      this.close(new DoranError("unloaded", "the worker of this engine ended; load the model again"));
    }).catch(() => undefined);
  }

  #onError(event: ErrorEvent): void {
    event.preventDefault();
    if (this.#started) {
      this.close(new DoranError("internal", `the worker failed and was ended; load the model again (${event.message})`));
      return;
    }
    const because = event.message === undefined || event.message === "" ? "" : ` (${event.message})`;
    this.close(new DoranError(
      "network",
      `the worker script did not start${because}: ${this.#workerUrl} is not there, is not JavaScript, or is not allowed by the `
        + "page's Content-Security-Policy (worker-src); if a bundler moved it, give workerUrl or createWorker",
      { url: this.#workerUrl },
    ));
  }
}

/** Refuses to go on where there is no page, as in Node. */
export function requireWorkers(): void {
  if (typeof Worker !== "undefined") return;
  throw new DoranError("unsupported", "there are no web workers here: doran runs in a browser page only", { what: "worker" });
}

/** A URL of the caller's as one that means the same in the worker. */
export function absolute(url: string | URL): string {
  try {
    return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    throw new DoranError("bad_argument", `this is not a URL: ${String(url)}`, { argument: "url" });
  }
}

/** Where the module for formats is, unless the page says. A bundle that does not know its own address (an IIFE) cannot tell, and few pages need it. */
function besideThis(): string | undefined {
  try {
    return absolute(new URL("./doran_constrained_bg.wasm", import.meta.url));
  } catch {
    return undefined;
  }
}

function makeWorker(assets: AssetOptions, workerUrl: string): Worker {
  try {
    if (assets.createWorker !== undefined) return assets.createWorker();
    if (assets.workerUrl !== undefined) return new Worker(workerUrl, { type: "module" });
    // Bundlers know this form, and only this form, word for word.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (thrown) {
    throw new DoranError(
      "unsupported",
      `this page may not start the worker (${toWire(thrown).message}); it must be of the page's own origin, and where Trusted Types `
        + "are required, give createWorker",
      { what: "worker", url: workerUrl },
    );
  }
}
