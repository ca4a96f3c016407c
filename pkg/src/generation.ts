/** A running answer as an async iterator: starts at the first `next()`, may be left at any time, rejects when aborted. */
import { wireAdapters } from "./adapter.js";
import { absolute, type Connection } from "./client.js";
import { DoranError } from "./errors.js";
import type { WireGenerateOptions } from "./protocol.js";
import type { Finish, Generation, GenerateInput, GenerateOptions, Token } from "./types.js";

type Item = Token | Finish;
type Step = IteratorResult<Item, undefined>;

interface Waiter {
  readonly resolve: (step: Step) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: Step = { done: true, value: undefined };

/** See `Generation`. */
export class TokenStream implements Generation {
  readonly #connection: Connection;
  readonly #input: GenerateInput;
  readonly #options: GenerateOptions;
  readonly #items: Item[] = [];
  readonly #waiters: Waiter[] = [];
  /** Set at the first `next()`; `ended` never rejects. */
  #call: { readonly id: number; readonly ended: Promise<void> } | undefined;
  #over = false;
  /** What ended it; given once to whoever asks next. */
  #failure: { readonly error: unknown } | undefined;

  constructor(connection: Connection, input: GenerateInput, options: GenerateOptions) {
    this.#connection = connection;
    this.#input = input;
    this.#options = options;
    // What cannot be sent is refused here, and not at the first token.
    if (options.adapters !== undefined) wireAdapters(connection, options.adapters);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    const item = this.#items.shift();
    if (item !== undefined) {
      if (this.#call !== undefined && item.finishReason === undefined) this.#connection.read(this.#call.id, 1);
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve(DONE);
    return new Promise<Step>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#call === undefined) this.#start();
    });
  }

  async return(): Promise<Step> {
    const call = this.#call;
    const running = call !== undefined && !this.#over;
    this.#end();
    if (running) this.#connection.cancel(call.id);
    // The engine's turn is free only when the worker says so.
    await call?.ended;
    return DONE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #start(): void {
    const { signal, onPrefill, onToken, adapters: given, logitsHook, tools, templateArgs, continueFinalMessage, ...rest } = this.#options;
    if (signal?.aborted === true) {
      this.#fail(signal.reason);
      return;
    }
    const chat = {
      ...(tools === undefined ? {} : { tools }),
      ...(templateArgs === undefined ? {} : { templateArgs }),
      ...(continueFinalMessage === undefined ? {} : { continueFinalMessage }),
    };
    const options: WireGenerateOptions = {
      ...rest, chat,
      ...(logitsHook === undefined ? {} : { logitsHook: absolute(logitsHook) }),
      ...(given === undefined ? {} : { adapters: wireAdapters(this.#connection, given) }),
    };
    const { id, result } = this.#connection.call(
      "generate",
      (callId) => ({ type: "call", id: callId, kind: "generate", args: { input: this.#input, options } }),
      { onToken: (item) => this.#push(item, onToken), ...(onPrefill === undefined ? {} : { onPrefill }) },
    );
    const onAbort = (): void => {
      this.#connection.cancel(id);
      this.#fail(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const ended = result.then(
      () => this.#end({ keepItems: true }),
      (error: unknown) => this.#fail(error),
    ).finally(() => signal?.removeEventListener("abort", onAbort));
    this.#call = { id, ended };
  }

  #push(item: Item, onToken: GenerateOptions["onToken"]): void {
    if (this.#over) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#items.push(item);
    else {
      if (this.#call !== undefined && item.finishReason === undefined) this.#connection.read(this.#call.id, 1);
      waiter.resolve({ done: false, value: item });
    }
    // Last: what it throws is the page's, and costs the answer nothing.
    if (item.finishReason === undefined) onToken?.(item);
  }

  /** No more comes. Unless `keepItems`, what came and was not read is dropped. */
  #end({ keepItems = false }: { readonly keepItems?: boolean } = {}): void {
    if (!keepItems) {
      this.#items.length = 0;
      this.#failure = undefined;
    }
    this.#over = true;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
  }

  /** Ends with `error`, at once: tokens that were not read are dropped. */
  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#items.length = 0;
    const [first, ...others] = this.#waiters.splice(0);
    if (first === undefined) this.#failure = { error };
    else first.reject(error);
    for (const waiter of others) waiter.resolve(DONE);
  }
}

/** Checks the shape of an input before it crosses; its meaning is the engine's to check. */
export function checkInput(input: unknown): void {
  const isMessages = Array.isArray(input) && input.every((turn: unknown) => typeof turn === "object" && turn !== null && "role" in turn);
  if (typeof input === "string" || input instanceof Uint32Array || isMessages) return;
  throw new DoranError("bad_argument", "generate takes messages ([{ role, content }]), a string or a Uint32Array of token ids", { argument: "input" });
}
