/** Answers in pieces that can be stopped. A file of its own, since `RemoteEngine` needs it on pages that load nothing else of this surface. */

/** An answer in pieces. It can be read once; leaving the loop, or `controller.abort()`, stops the model. */
export class CompletionStream<T> implements AsyncIterable<T> {
  /** Stops the answer; the stream ends then, without an error. */
  readonly controller = new AbortController();
  readonly #pieces: AsyncGenerator<T, undefined, undefined>;
  readonly #callers: AbortSignal | undefined;

  /** `pieces` makes the pieces, until its signal fires; `signal` is the caller's. */
  constructor(pieces: (signal: AbortSignal) => AsyncGenerator<T, undefined, undefined>, signal: AbortSignal | null | undefined) {
    this.#callers = signal ?? undefined;
    this.#pieces = pieces(this.controller.signal);
  }

  /** The pieces, in order. */
  [Symbol.asyncIterator](): AsyncGenerator<T, undefined, undefined> {
    const pieces = this.#read();
    const leave = pieces.return.bind(pieces);
    // A generator hears of its end between two pieces only; the signal also ends one that waits, as it does while a long prompt is read.
    pieces.return = (value) => {
      this.controller.abort();
      return leave(value);
    };
    return pieces;
  }

  /** The pieces as lines of JSON. */
  toReadableStream(): ReadableStream<Uint8Array> {
    const pieces = this[Symbol.asyncIterator]();
    const encoder = new TextEncoder();
    return new ReadableStream({
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      },
      async cancel() {
        await pieces.return(undefined);
      },
    });
  }

  async * #read(): AsyncGenerator<T, undefined, undefined> {
    const follow = (): void => this.controller.abort(this.#callers?.reason);
    if (this.#callers?.aborted === true) follow();
    this.#callers?.addEventListener("abort", follow, { once: true });
    try {
      yield* this.#pieces;
    } catch (thrown) {
      const { signal } = this.controller;
      // Who stopped it by the controller asked for an end, and not for an error.
      if (!signal.aborted || thrown !== signal.reason || this.#callers?.aborted === true) throw thrown;
    } finally {
      this.#callers?.removeEventListener("abort", follow);
    }
  }
}
