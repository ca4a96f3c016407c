/** Page side of a caller's own `fetch`: does what the worker asks, a piece of a body at a time. */
import type { FromWorker, ToWorker } from "./protocol.js";

/** The caller's function. */
export type PageFetch = (url: string, init: RequestInit) => Promise<Response>;

type Request = Extract<FromWorker, { type: "fetch" | "fetchPull" | "fetchCancel" }>;

interface Running {
  readonly controller: AbortController;
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
}

/** The fetches that run for one worker. */
export class FetchServer {
  readonly #post: (message: ToWorker, transfer?: Transferable[]) => void;
  readonly #fetchOf: (callId: number) => PageFetch | undefined;
  readonly #running = new Map<number, Running>();

  constructor(
    post: (message: ToWorker, transfer?: Transferable[]) => void,
    fetchOf: (callId: number) => PageFetch | undefined,
  ) {
    this.#post = post;
    this.#fetchOf = fetchOf;
  }

  /** Takes what the worker asked. */
  receive(message: Request): void {
    switch (message.type) {
      case "fetch":
        void this.#start(message);
        return;
      case "fetchPull":
        void this.#pull(message.fetchId);
        return;
      case "fetchCancel":
        this.#stop(message.fetchId);
        return;
    }
  }

  /** Ends all of them. */
  close(): void {
    for (const id of [...this.#running.keys()]) this.#stop(id);
  }

  async #start({ fetchId, callId, url, method, headers }: Extract<Request, { type: "fetch" }>): Promise<void> {
    const fetcher = this.#fetchOf(callId);
    const running: Running = { controller: new AbortController(), reader: undefined };
    this.#running.set(fetchId, running);
    try {
      if (fetcher === undefined) throw new TypeError("the call that this fetch belongs to has ended");
      const pairs = headers.map(([name, value]): [string, string] => [name, value]);
      const response = await fetcher(url, { method, headers: pairs, signal: running.controller.signal });
      if (!this.#running.has(fetchId)) {
        await response.body?.cancel();
        return;
      }
      running.reader = response.body?.getReader();
      const hasBody = running.reader !== undefined;
      const { status, statusText } = response;
      if (!hasBody) this.#running.delete(fetchId);
      this.#post({ type: "fetched", fetchId, status, statusText, headers: [...response.headers], hasBody });
    } catch (thrown) {
      this.#fail(fetchId, thrown);
    }
  }

  async #pull(fetchId: number): Promise<void> {
    const reader = this.#running.get(fetchId)?.reader;
    if (reader === undefined) return;
    try {
      const { done, value } = await reader.read();
      if (!this.#running.has(fetchId)) return;
      if (done) {
        this.#running.delete(fetchId);
        this.#post({ type: "fetchChunk", fetchId, chunk: null });
      } else {
        // A view of a larger buffer would take the whole buffer along.
        const chunk = value.byteLength === value.buffer.byteLength ? value : value.slice();
        this.#post({ type: "fetchChunk", fetchId, chunk }, [chunk.buffer]);
      }
    } catch (thrown) {
      this.#fail(fetchId, thrown);
    }
  }

  #stop(fetchId: number): void {
    const running = this.#running.get(fetchId);
    this.#running.delete(fetchId);
    running?.controller.abort();
    running?.reader?.cancel().catch(() => undefined);
  }

  #fail(fetchId: number, thrown: unknown): void {
    if (!this.#running.delete(fetchId)) return;
    this.#post({ type: "fetchFailed", fetchId, message: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}
