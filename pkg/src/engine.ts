/** The engine as a page sees it: a thin client of one worker. */
import { toAdapter, wireAdapters, type Adapter } from "./adapter.js";
import type { Connection } from "./client.js";
import { DoranError } from "./errors.js";
import { checkInput, TokenStream } from "./generation.js";
import type { Inspection } from "./inspection.js";
import { checkLicense } from "./license.js";
import type { WireAdapterUse } from "./protocol.js";
import { follow } from "./pause.js";
import { openAi, type ChatNamespace, type CompletionsNamespace, type EmbeddingsNamespace } from "./openai/surface.js";
import { adapterOptions, hinted, open, wireSource } from "./sources.js";
import { storage } from "./storage.js";
import { support } from "./support.js";
import type {
  AdapterOptions, AdapterUse, ChatTemplateOptions, DecodeSpeed, EmbedOptions, EngineStats, Generation, GenerateInput, GenerateOptions, KernelTime, LoadOptions, Logits, LogitsOptions, Message,
  ModelInfo, ModelSource, NllOptions, Support,
} from "./types.js";

/** @internal Aborts when the worker of an engine has ended, by whatever. */
export let endOf!: (engine: Engine) => AbortSignal;

/**
 * A language model, loaded and ready.
 *
 * Calls of one engine run one after another, in the order in which they were made. Several engines may live at once; each
 * has a worker of its own.
 *
 * @example
 * ```ts
 * const engine = await Engine.load("https://example.org/model.gguf", { onProgress });
 * for await (const token of engine.generate([{ role: "user", content: "Hello" }])) show(token.text);
 * await engine.unload();
 * ```
 */
export class Engine implements AsyncDisposable {
  /** The models in this origin's storage. */
  static readonly storage: typeof storage = storage;

  /** Where answers come from: a {@link RemoteEngine} says `"remote"`. */
  readonly where = "local";
  /** What was loaded, and how. */
  readonly info: ModelInfo;
  readonly #connection: Connection;

  /** `engine.chat.completions.create`, as the OpenAI API has it. */
  readonly chat: ChatNamespace;
  /** `engine.completions.create`, as the OpenAI API has it. */
  readonly completions: CompletionsNamespace;
  /** `engine.embeddings.create`, as the OpenAI API has it. */
  readonly embeddings: EmbeddingsNamespace;

  static {
    endOf = (engine) => engine.#connection.ended;
  }

  private constructor(connection: Connection, info: ModelInfo) {
    this.#connection = connection;
    this.info = info;
    ({ chat: this.chat, completions: this.completions, embeddings: this.embeddings } = openAi(this));
  }

  /**
   * Loads a model: downloads what is not stored, verifies it, brings it to the GPU.
   *
   * Rejects with a {@link DoranError}, or with `signal.reason` when aborted. An aborted or failed load keeps what it stored. What the
   * GPU has no room for is refused before any weight is fetched: `out_of_memory` with `data.needed_bytes`, and `data.available_bytes`
   * where it is a limit of the device (`null` where no platform tells). With `fit: "auto"` the load steps down by itself, and
   * `info.adjustments` says how.
   */
  static async load(source: ModelSource, options: LoadOptions = {}): Promise<Engine> {
    checkLicense(source, options);
    const { connection, args, events } = open(source, options);
    const { id, result } = connection.call("load", (callId) => ({ type: "call", id: callId, kind: "load", args }), events);
    const unfollow = options.pause === undefined ? undefined : follow(options.pause, (paused) => { connection.pause(id, paused); });
    try {
      return new Engine(connection, await abortable(connection, id, result, options.signal));
    } catch (thrown) {
      connection.closeAfter(result, new DoranError("unloaded", "this load has ended"));
      throw hinted(thrown, source);
    } finally {
      unfollow?.();
    }
  }

  /**
   * What a model is, what it takes, and whether it fits this device. Reads headers only: no weights are fetched, and nothing is
   * stored. Of a source that offers several models, the one to take is described ({@link Inspection.take}): of the files of less than
   * 16 bits a weight the largest that fits with room to spare, or else the largest that fits at all.
   *
   * Rejects as {@link Engine.load} does for what cannot be read; what is too large is no error but `verdict: "no"`. Licences need not
   * be accepted for looking.
   */
  static async inspect(source: ModelSource, options: LoadOptions = {}): Promise<Inspection> {
    const { connection, args, events } = open(source, options);
    const { id, result } = connection.call("inspect", (callId) => ({ type: "call", id: callId, kind: "inspect", args }), events);
    try {
      return await abortable(connection, id, result, options.signal);
    } catch (thrown) {
      throw hinted(thrown, source);
    } finally {
      connection.close(new DoranError("unloaded", "this inspection has ended"));
    }
  }

  /** Whether this page can run models at all. */
  static async isSupported(): Promise<boolean> {
    return (await support()).supported;
  }

  /** Whether this page can run models, with the adapter's facts or the reason why not. */
  static support(): Promise<Support> {
    return support();
  }

  /** Continues `input`. Nothing happens before the first `next()`; leaving the loop stops the model. */
  generate(input: GenerateInput, options: GenerateOptions = {}): Generation {
    checkInput(input);
    return new TokenStream(this.#connection, input, options);
  }

  /**
   * The vectors of texts (or of token ids, which are taken as they are), in order, by an encoder such as BERT.
   *
   * Rejects with `unsupported` for models that generate, with `context_overflow` for a text that is longer than the model takes
   * (`data.index` says which), or with `signal.reason` when aborted.
   *
   * @example
   * ```ts
   * const [a, b] = await engine.embed(["A cat sits outside.", "A kitten is in the garden."]);
   * const cosine = a.reduce((sum, x, i) => sum + x * b[i], 0);
   * ```
   */
  async embed(texts: readonly (string | Uint32Array)[], options: EmbedOptions = {}): Promise<readonly Float32Array[]> {
    checkTexts(texts);
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    const { id, result } = this.#connection.call(
      "embed", (callId) => ({ type: "call", id: callId, kind: "embed", args: { texts: [...texts], options: rest } }),
    );
    return abortable(this.#connection, id, result, signal);
  }

  /**
   * Loads a LoRA adapter beside the model: a GGUF file, or a PEFT folder (`adapter_config.json` and `adapter_model.safetensors`),
   * from wherever a model may come. Answers go on meanwhile, and the model's weights stay as they are: each request names the
   * adapters that it runs with.
   *
   * Rejects with `lora_mismatch` (`data.tensor` or `data.what`) if the adapter is for another model, `unsupported` (`data.what`) for
   * what cannot be applied, such as DoRA or whole trained modules, as {@link Engine.load} does, or with `signal.reason` when aborted.
   *
   * @example
   * ```ts
   * const adapter = await engine.loadAdapter("hf:owner/name");
   * for await (const token of engine.generate("Once", { adapters: [{ adapter, scale: 0.5 }] })) show(token.text);
   * ```
   */
  async loadAdapter(source: ModelSource, options: AdapterOptions = {}): Promise<Adapter> {
    const { signal, onProgress, fetch } = options;
    signal?.throwIfAborted();
    const args = { source: wireSource(source, options), options: adapterOptions(options) };
    const { id, result } = this.#connection.call("loadAdapter", (callId) => ({ type: "call", id: callId, kind: "loadAdapter", args }), { onProgress, fetch });
    try {
      return toAdapter(this.#connection, await abortable(this.#connection, id, result, signal));
    } catch (thrown) {
      // One that came too late for the caller's signal is nobody's.
      void result.then((late) => toAdapter(this.#connection, late).unload()).catch(() => undefined);
      throw hinted(thrown, source);
    }
  }

  /** The token ids of `text`; special tokens such as a leading `<s>` are added unless `addSpecialTokens` is `false`. */
  tokenize(text: string, { addSpecialTokens = true }: { readonly addSpecialTokens?: boolean } = {}): Promise<Uint32Array> {
    return this.#connection.call("tokenize", (id) => ({ type: "call", id, kind: "tokenize", args: { text, addSpecialTokens } })).result;
  }

  /** The text of token ids, special tokens as the vocabulary spells them or, with `skipSpecialTokens`, left out. */
  detokenize(ids: Uint32Array | readonly number[], { skipSpecialTokens = false }: { readonly skipSpecialTokens?: boolean } = {}): Promise<string> {
    const args = { ids: toIds(ids), skipSpecialTokens };
    return this.#connection.call("detokenize", (id) => ({ type: "call", id, kind: "detokenize", args })).result;
  }

  /** How many tokens a text, or a conversation by its chat template, takes. */
  async countTokens(input: string | readonly Message[], options: ChatTemplateOptions = {}): Promise<number> {
    if (typeof input === "string") return (await this.tokenize(input)).length;
    const text = await this.applyChatTemplate(input, options);
    return (await this.tokenize(text, { addSpecialTokens: false })).length;
  }

  /** The text that the chat template makes of a conversation. */
  applyChatTemplate(messages: readonly Message[], options: ChatTemplateOptions = {}): Promise<string> {
    return this.#connection.call("applyChatTemplate", (id) => ({ type: "call", id, kind: "applyChatTemplate", args: { messages, options } })).result;
  }

  /**
   * What could follow `ids`, which are taken as they are. Of a model that reads a text and answers it (`info.kind` is
   * `"encoder-decoder"`): what could follow `answer` as the beginning of the answer to `ids`; without `answer`, what could begin it.
   */
  async logits(ids: Uint32Array | readonly number[], { answer, adapters }: LogitsOptions = {}): Promise<Logits> {
    const args = { ids: toIds(ids), ...(answer === undefined ? {} : { answer: toIds(answer) }), ...this.#wired(adapters) };
    return this.#connection.call("logits", (id) => ({ type: "call", id, kind: "logits", args })).result;
  }

  /** The negative log likelihood (natural) of each of `ids` from the second on, given those before it. */
  async nll(ids: Uint32Array | readonly number[], { adapters }: NllOptions = {}): Promise<Float32Array> {
    const args = { ids: toIds(ids), ...this.#wired(adapters) };
    return this.#connection.call("nll", (id) => ({ type: "call", id, kind: "nll", args })).result;
  }

  #wired(adapters: readonly AdapterUse[] | undefined): { adapters?: readonly WireAdapterUse[] } {
    return adapters === undefined ? {} : { adapters: wireAdapters(this.#connection, adapters) };
  }

  /** Exact counters and speeds since the model was loaded. */
  stats(): Promise<EngineStats> {
    return this.#connection.call("stats", (id) => ({ type: "call", id, kind: "stats", args: null })).result;
  }

  /**
   * Times the kernels one by one, as a step behind `context` tokens runs them: that of one token, and that of a whole piece of a
   * prompt. For benchmarks: it takes seconds, and what the KV cache holds is lost. Empty on the CPU references.
   *
   * @throws `context_overflow` if the engine has no room for so many tokens.
   */
  profile({ context = 511 }: { context?: number } = {}): Promise<readonly KernelTime[]> {
    return this.#connection.call("profile", (id) => ({ type: "call", id, kind: "profile", args: { context } })).result;
  }

  /**
   * Decodes `tokens` tokens greedily behind `context` positions that are counted as held, though nobody computed their keys and values: what
   * an answer costs there, without a prompt of that length. For benchmarks: the tokens mean nothing, and what the KV cache holds is lost.
   *
   * @throws `context_overflow` if the engine has no room for `context + tokens`; `unsupported` if the model reads texts.
   */
  decodeAt({ context, tokens = 32 }: { context: number; tokens?: number }): Promise<DecodeSpeed> {
    return this.#connection.call("decodeAt", (id) => ({ type: "call", id, kind: "decodeAt", args: { context, tokens } })).result;
  }

  /** Frees the GPU and ends the worker. What still runs ends with `unloaded`; a second call does nothing. */
  async unload(): Promise<void> {
    const gone = new DoranError("unloaded", "the engine was unloaded; load the model again");
    try {
      await this.#connection.call("unload", (id) => ({ type: "call", id, kind: "unload", args: null })).result;
    } catch (thrown) {
      this.#connection.unlessGone(thrown);
    } finally {
      this.#connection.close(gone);
    }
  }

  /** `await using engine = …` unloads at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }
}

/** A call that `signal` cancels. The promise rejects at once; the worker ends when it can. */
async function abortable<T>(connection: Connection, id: number, result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      connection.cancel(id);
      reject(signal?.reason);
    };
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** A string is a list of its characters to JavaScript: it must not be taken for a list of texts. */
function checkTexts(texts: unknown): void {
  const isText = (text: unknown): boolean => typeof text === "string" || text instanceof Uint32Array;
  if (Array.isArray(texts) && texts.every(isText)) return;
  throw new DoranError("bad_argument", "embed takes a list of strings or of Uint32Arrays of token ids", { argument: "texts" });
}

function toIds(ids: Uint32Array | readonly number[]): Uint32Array {
  return ids instanceof Uint32Array ? ids : Uint32Array.from(ids);
}
