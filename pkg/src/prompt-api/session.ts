/** A session of the Prompt API: one conversation with the engine that all sessions share. */
import type { ChatMessage } from "../chat/events.js";
import { textOf, withHint } from "../chat/text.js";
import type { Engine } from "../engine.js";
import { either, until } from "../signals.js";
import { answer, frameOf } from "./answer.js";
import type { Context } from "./context.js";
import { domException, toPage } from "./errors.js";
import { readPrompt, type Prompt } from "./input.js";
import { readConstraint, type Constraint, type Sampling } from "./options.js";
import type { SharedEngine } from "./shared-engine.js";
import type {
  LanguageModelConfig, LanguageModelPrompt, LanguageModelPromptOptions, LanguageModelSignalOptions, LanguageModelTool,
} from "./types.js";

/** What a session is made of. */
export interface SessionParts {
  readonly engine: Engine;
  readonly shared: SharedEngine;
  readonly context: Context;
  readonly sampling: Sampling;
  readonly tools: readonly LanguageModelTool[];
  readonly config: LanguageModelConfig;
}

/**
 * A conversation with a model. Calls of one session run one after another, in the order in which they were made.
 *
 * Made by `LanguageModel.create()`, or by {@link LanguageModelSession.clone}.
 */
export class LanguageModelSession extends EventTarget {
  /** Called when turns had to leave the conversation. */
  oncontextoverflow: ((event: Event) => void) | null = null;
  /** As `oncontextoverflow`, by its former name. */
  onquotaoverflow: ((event: Event) => void) | null = null;

  readonly #parts: SessionParts;
  readonly #destroyed = new AbortController();
  /** Ends when the calls that were made so far have ended; never rejects. */
  #tail: Promise<void> = Promise.resolve();

  /** Not for pages: throws a `TypeError` without parts that only this package makes. */
  constructor(parts?: SessionParts) {
    super();
    if (typeof parts?.context?.makeRoom !== "function") throw new TypeError("Illegal constructor: use LanguageModel.create()");
    this.#parts = parts;
  }

  /** Answers `input`, which becomes part of the conversation together with its answer. An aborted prompt leaves no trace. */
  async prompt(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<string> {
    let text = "";
    await this.#respond(input, options, undefined, (delta) => { text += delta; });
    return text;
  }

  /** As {@link LanguageModelSession.prompt}, in pieces as they come. Cancelling the stream aborts the prompt. */
  promptStreaming(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): ReadableStream<string> {
    const cancelled = new AbortController();
    return new ReadableStream<string>({
      // Nothing waits for the reader: a stream that nobody reads must not hold up the session's next prompt.
      start: (stream) => {
        const onText = (delta: string): void => { if (!cancelled.signal.aborted) stream.enqueue(delta); };
        this.#respond(input, options, cancelled.signal, onText).then(
          () => { if (!cancelled.signal.aborted) stream.close(); },
          (thrown: unknown) => stream.error(thrown),
        );
      },
      cancel: (reason: unknown) => cancelled.abort(reason),
    });
  }

  /** Adds `input` to the conversation without asking for an answer. */
  async append(input: LanguageModelPrompt, { signal }: LanguageModelSignalOptions = {}): Promise<undefined> {
    await this.#inTurn([signal], () => read(input, { mayPrefix: false }), async ({ messages }, ending) => {
      await this.#makeRoom(messages, { answer: false });
      ending.throwIfAborted();
      await this.#parts.context.add(messages, { closed: false });
    });
  }

  /** How many tokens the conversation would have more with `input`, the words that the chat template adds included. */
  measureContextUsage(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<number> {
    const check = (): readonly ChatMessage[] => hinted(read(input, { mayPrefix: true }), readConstraint(options));
    return this.#inTurn([options.signal], check, (messages) => this.#parts.context.measure(messages));
  }

  /** As {@link LanguageModelSession.measureContextUsage}, by its former name. */
  measureInputUsage(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<number> {
    return this.measureContextUsage(input, options);
  }

  /** Tokens of the conversation so far. */
  get contextUsage(): number {
    return this.#parts.context.usage;
  }

  /** Tokens that a conversation may have. */
  get contextWindow(): number {
    return this.#parts.context.window;
  }

  /** As `contextUsage`, by its former name. */
  get inputUsage(): number {
    return this.contextUsage;
  }

  /** As `contextWindow`, by its former name. */
  get inputQuota(): number {
    return this.contextWindow;
  }

  /** Among how many of the likeliest tokens one is drawn. */
  get topK(): number {
    return this.#parts.sampling.topK;
  }

  /** 0 is always the likeliest token. */
  get temperature(): number {
    return this.#parts.sampling.temperature;
  }

  /** A session with the same conversation so far, which goes on apart. */
  clone({ signal }: LanguageModelSignalOptions = {}): Promise<this> {
    return this.#inTurn([signal], () => undefined, () => {
      const copy = this.#with({ ...this.#parts, context: this.#parts.context.clone() });
      this.#parts.shared.share();
      return Promise.resolve(copy);
    });
  }

  /** Ends the session: what still runs rejects with `AbortError`, later calls with `InvalidStateError`. A second call does nothing. */
  destroy(): undefined {
    this.destroyBecause(domException("AbortError", "the session was destroyed"));
  }

  /** @internal Destroys with the reason of a signal. */
  destroyBecause(reason: unknown): void {
    if (this.#destroyed.signal.aborted) return;
    this.#destroyed.abort(reason);
    this.#parts.shared.release();
  }

  /** A session of the same class, which is the page's `LanguageModel`. */
  #with(parts: SessionParts): this {
    const made: unknown = Reflect.construct(this.constructor, [parts]);
    if (!this.#isOwn(made)) throw new TypeError("the class of a session makes sessions");
    return made;
  }

  #isOwn(value: unknown): value is this {
    return value instanceof this.constructor;
  }

  async #respond(input: LanguageModelPrompt, options: LanguageModelPromptOptions, cancelled: AbortSignal | undefined, onText: (delta: string) => void): Promise<void> {
    const check = (): { prompt: Prompt; constraint: Constraint | undefined; messages: readonly ChatMessage[] } => {
      const prompt = read(input, { mayPrefix: true });
      const constraint = readConstraint(options);
      return { prompt, constraint, messages: hinted(prompt, constraint) };
    };
    await this.#inTurn([options.signal, cancelled], check, async ({ prompt, constraint, messages }, signal) => {
      const { context, engine, sampling, tools, config } = this.#parts;
      await this.#makeRoom(messages, { answer: true });
      signal.throwIfAborted();
      const more = await answer(engine, {
        tools,
        onText,
        request: {
          messages: context.with(messages),
          continueFinalMessage: prompt.prefix,
          ...frameOf(tools, config),
          options: { ...config.generate, ...sampling, signal, ...(constraint === undefined ? {} : { format: constraint.format }) },
        },
      });
      signal.throwIfAborted();
      await context.add(prompt.prefix ? continued(messages, more) : [...messages, ...more], { closed: true });
    });
  }

  async #makeRoom(messages: readonly ChatMessage[], wanted: { readonly answer: boolean }): Promise<void> {
    if (!await this.#parts.context.makeRoom(messages, wanted)) return;
    for (const [type, listener] of [["contextoverflow", this.oncontextoverflow], ["quotaoverflow", this.onquotaoverflow]] as const) {
      const event = new Event(type);
      listener?.call(this, event);
      this.dispatchEvent(event);
    }
  }

  /**
   * Checks at once, and works when the calls before have ended. Rejects with the reason of the first signal that aborts, at once; the
   * next call still waits until the work has ended.
   */
  async #inTurn<C, T>(signals: readonly (AbortSignal | undefined)[], check: () => C, work: (checked: C, signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#destroyed.signal.aborted) throw domException("InvalidStateError", "the session was destroyed");
    const checked = check();
    const { signal, release } = either(...signals, this.#destroyed.signal);
    try {
      signal.throwIfAborted();
      const before = this.#tail;
      const result = before.then(() => {
        signal.throwIfAborted();
        return work(checked, signal);
      });
      this.#tail = result.then(() => undefined, () => undefined);
      return await until(signal, result);
    } catch (thrown) {
      throw toPage(thrown);
    } finally {
      release();
    }
  }
}

/** The prompt's messages; the last of the user also tells of the constraint. */
function hinted({ messages }: Prompt, constraint: Constraint | undefined): readonly ChatMessage[] {
  return constraint?.hint === undefined ? messages : withHint(messages, constraint.hint);
}

function read(input: unknown, { mayPrefix }: { readonly mayPrefix: boolean }): Prompt {
  const prompt = readPrompt(input);
  if (prompt.prefix && !mayPrefix) throw domException("SyntaxError", "a prefix needs an answer that goes on with it");
  return prompt;
}

/** What the conversation grows by where the answer went on with the prompt's last message. */
function continued(messages: readonly ChatMessage[], [first, ...rest]: readonly ChatMessage[]): readonly ChatMessage[] {
  const prefix = messages.at(-1);
  if (prefix === undefined || first === undefined) return messages;
  return [...messages.slice(0, -1), { ...first, content: `${textOf(prefix)}${textOf(first)}` }, ...rest];
}
