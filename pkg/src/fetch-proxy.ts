/**
 * Worker side of a caller's own `fetch`: a function cannot cross to the worker, so the worker asks and the page fetches.
 * The body comes a piece at a time, each asked for, so that nothing piles up.
 */
import type { FromWorker, ToWorker } from "./protocol.js";

type Incoming = Extract<ToWorker, { type: "fetched" | "fetchChunk" | "fetchFailed" }>;

/** Statuses whose response must have no body. */
const BODILESS = new Set([101, 103, 204, 205, 304]);

interface Open {
  readonly resolve: (response: Response) => void;
  /** Fails what is awaited now: the response, or a piece of its body. */
  fail: (error: unknown) => void;
  controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  /** Resolves the pull that is waiting. */
  pulled: (() => void) | undefined;
}

/** The fetches that the page does for this worker. */
export class FetchProxy {
  readonly #post: (message: FromWorker) => void;
  readonly #open = new Map<number, Open>();
  #nextId = 1;

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  /** A `fetch` whose requests belong to call `callId`. */
  forCall(callId: number): (url: string, init?: RequestInit) => Promise<Response> {
    return (url, init = {}) => this.#fetch(callId, url, init);
  }

  /** Takes what the page sent. */
  receive(message: Incoming): void {
    const open = this.#open.get(message.fetchId);
    if (open === undefined) return;
    switch (message.type) {
      case "fetched":
        this.#head(open, message);
        return;
      case "fetchChunk":
        if (message.chunk === null) {
          this.#open.delete(message.fetchId);
          open.controller?.close();
        } else {
          open.controller?.enqueue(message.chunk);
        }
        open.pulled?.();
        return;
      case "fetchFailed":
        this.#open.delete(message.fetchId);
        open.fail(new TypeError(message.message));
        return;
    }
  }

  #fetch(callId: number, url: string, init: RequestInit): Promise<Response> {
    const signal = init.signal ?? undefined;
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    const fetchId = this.#nextId++;
    return new Promise<Response>((resolve, reject) => {
      const open: Open = { resolve, fail: reject, controller: undefined, pulled: undefined };
      this.#open.set(fetchId, open);
      signal?.addEventListener("abort", () => {
        if (!this.#open.delete(fetchId)) return;
        this.#post({ type: "fetchCancel", fetchId });
        open.fail(abortReason(signal));
      }, { once: true });
      const headers = [...new Headers(init.headers)];
      this.#post({ type: "fetch", fetchId, callId, url, method: init.method ?? "GET", headers });
    });
  }

  #head(open: Open, message: Extract<Incoming, { type: "fetched" }>): void {
    const { fetchId, status, statusText } = message;
    const headers = message.headers.map(([name, value]): [string, string] => [name, value]);
    if (!message.hasBody || BODILESS.has(status)) {
      this.#open.delete(fetchId);
      open.resolve(new Response(null, { status, statusText, headers }));
      return;
    }
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        open.controller = controller;
      },
      pull: () => new Promise<void>((resolve) => {
        open.pulled = resolve;
        this.#post({ type: "fetchPull", fetchId });
      }),
      cancel: () => {
        if (this.#open.delete(fetchId)) this.#post({ type: "fetchCancel", fetchId });
      },
    }, { highWaterMark: 1 });
    open.fail = (error) => {
      open.controller?.error(error);
      open.pulled?.();
    };
    open.resolve(new Response(body, { status, statusText, headers }));
  }
}

function abortReason(signal: AbortSignal): unknown {
  return signal.reason;
}
