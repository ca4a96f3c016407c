/** A model on this device, or, where that cannot be and the reader agrees, one on a server that speaks the OpenAI API. */
import { Engine } from "./engine.js";
import { DoranError, isRecord } from "./errors.js";
import { CompletionStream } from "./openai/stream.js";
import type { ChatNamespace } from "./openai/surface.js";
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, RequestOptions } from "./openai/types.js";
import type { LoadOptions, ModelSource } from "./types.js";

/** The part of the `openai` package's client that is used: `new OpenAI({ baseURL, apiKey })` is one. */
export interface OpenAiClient {
  /** Its chat completions. */
  readonly chat: OpenAiChat;
}

/** `client.chat`. */
export interface OpenAiChat {
  /** `client.chat.completions`. */
  readonly completions: OpenAiCompletions;
}

/** `client.chat.completions`. */
export interface OpenAiCompletions {
  /** Asks the server: a chat completion, or an async iterable of chunks. */
  create(body: object, options?: object): PromiseLike<unknown>;
}

/** A server that may answer. */
export interface RemoteModel {
  /** The client of the server: vLLM, llama-server, Ollama, or another that speaks the OpenAI API. */
  readonly client: OpenAiClient;
  /** The model's name there. */
  readonly model: string;
  /**
   * Whether the reader has agreed that what they write goes to that server. Asked once, when it would be used; without agreement nothing
   * is sent, and the reason why this device cannot answer is thrown.
   */
  readonly consent: (reason: RemoteReason) => boolean | Promise<boolean>;
}

/** Why a server would answer: the app has chosen so, or this device cannot run the model. */
export interface RemoteReason {
  readonly code: "chosen" | "unsupported" | "too_large" | "failed";
  /** A sentence for people. */
  readonly message: string;
}

/** Options of {@link createEngine}. */
export interface CreateEngineOptions {
  /** The model for this device, with options of its load. */
  readonly local: LoadOptions & { readonly source: ModelSource };
  /** The server for where that cannot be. */
  readonly remote?: RemoteModel;
  /** `"remote"`: the server is used, if the reader agrees, though the device may do; the default is `"local"`. */
  readonly prefer?: "local" | "remote";
}

/** Failures of a load that say that this device cannot run the model. */
const CANNOT: ReadonlySet<string> = new Set(["webgpu_missing", "adapter_missing", "out_of_memory", "device_lost", "gpu"]);

/**
 * The model on this device; or, where the device cannot run it (or `prefer` says so) and the reader has agreed, a {@link RemoteEngine}.
 * Nothing is ever sent to a server before `remote.consent` has said yes. Rejects as {@link Engine.load} does.
 */
export async function createEngine({ local: { source, ...options }, remote, prefer = "local" }: CreateEngineOptions): Promise<Engine | RemoteEngine> {
  if (remote === undefined) return Engine.load(source, options);
  const ask = async (reason: RemoteReason): Promise<RemoteEngine | undefined> => (await remote.consent(reason) ? new RemoteEngine(remote) : undefined);
  if (prefer === "remote") {
    const chosen = await ask({ code: "chosen", message: "a server was chosen to answer" });
    return chosen ?? Engine.load(source, options);
  }
  const cannot = await reasonAgainst(source, options);
  if (cannot !== undefined) {
    const engine = await ask(cannot);
    if (engine !== undefined) return engine;
  }
  try {
    return await Engine.load(source, options);
  } catch (thrown) {
    if (cannot !== undefined || !(thrown instanceof DoranError) || !CANNOT.has(thrown.code)) throw thrown;
    const engine = await ask({ code: "failed", message: thrown.message });
    if (engine === undefined) throw thrown;
    return engine;
  }
}

/** Why this device cannot run a model, as far as that is seen without loading it. */
async function reasonAgainst(source: ModelSource, options: LoadOptions): Promise<RemoteReason | undefined> {
  const { supported, reason } = await Engine.support();
  if (!supported) return { code: "unsupported", message: `this browser cannot run models (${reason})` };
  const { verdict, reason: because } = await Engine.inspect(source, options);
  return verdict === "no" ? { code: "too_large", message: because ?? "the model does not fit this device" } : undefined;
}

/** A server in the place of an engine: chat completions, and nothing else. */
export class RemoteEngine implements AsyncDisposable {
  /** Where answers come from. */
  readonly where = "remote";
  /** `engine.chat.completions.create`, answered by the server. */
  readonly chat: ChatNamespace;

  /** An engine of this server. Its `consent` was asked before. */
  constructor(remote: RemoteModel) {
    const ask = (request: ChatCompletionRequest, signal: AbortSignal | null | undefined): PromiseLike<unknown> => (
      remote.client.chat.completions.create({ ...request, model: remote.model }, signal ? { signal } : {})
    );
    function create(request: ChatCompletionRequest & { readonly stream: true }, options?: RequestOptions): Promise<CompletionStream<ChatCompletionChunk>>;
    function create(request: ChatCompletionRequest & { readonly stream?: false | null }, options?: RequestOptions): Promise<ChatCompletion>;
    function create(request: ChatCompletionRequest, options?: RequestOptions): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>>;
    async function create(request: ChatCompletionRequest, { signal, contextPolicy }: RequestOptions = {}): Promise<ChatCompletion | CompletionStream<ChatCompletionChunk>> {
      if (contextPolicy === "slide") onlyHere("contextPolicy");
      onlyForServers(request);
      signal?.throwIfAborted();
      if (request.stream === true) return new CompletionStream((stopped) => chunks(() => ask(request, stopped), stopped), signal);
      const answer = await ask(request, signal).then(undefined, (thrown: unknown) => {
        // Clients have errors of their own for that.
        signal?.throwIfAborted();
        throw thrown;
      });
      if (isCompletion(answer)) return answer;
      throw new DoranError("network", "the server's answer is no chat completion", {});
    }
    this.chat = { completions: { create } };
  }

  /** Rejects: `unsupported_remote`. */
  generate(): never { return onlyHere("generate"); }
  /** Rejects: `unsupported_remote`. */
  embed(): never { return onlyHere("embed"); }
  /** Rejects: `unsupported_remote`. */
  loadAdapter(): never { return onlyHere("loadAdapter"); }
  /** Rejects: `unsupported_remote`. */
  tokenize(): never { return onlyHere("tokenize"); }
  /** Rejects: `unsupported_remote`. */
  detokenize(): never { return onlyHere("detokenize"); }
  /** Rejects: `unsupported_remote`. */
  countTokens(): never { return onlyHere("countTokens"); }
  /** Rejects: `unsupported_remote`. */
  applyChatTemplate(): never { return onlyHere("applyChatTemplate"); }
  /** Rejects: `unsupported_remote`. */
  logits(): never { return onlyHere("logits"); }
  /** Rejects: `unsupported_remote`. */
  nll(): never { return onlyHere("nll"); }
  /** Rejects: `unsupported_remote`. */
  stats(): never { return onlyHere("stats"); }
  /** Rejects: `unsupported_remote`. */
  profile(): never { return onlyHere("profile"); }
  /** Rejects: `unsupported_remote`. */
  decodeAt(): never { return onlyHere("decodeAt"); }
  /** Rejects: `unsupported_remote`. */
  get completions(): never { return onlyHere("completions"); }
  /** Rejects: `unsupported_remote`. */
  get embeddings(): never { return onlyHere("embeddings"); }
  /** Rejects: `unsupported_remote`. */
  get info(): never { return onlyHere("info"); }

  /** Does nothing: there is nothing here to free. */
  unload(): Promise<void> {
    return Promise.resolve();
  }

  /** As `unload`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unload();
  }
}

function onlyHere(call: string): never {
  throw new DoranError("unsupported_remote", `${call} takes a model on this device; a server answers chat completions only`, { call });
}

/** Refuses fields that mean something on this device only. */
function onlyForServers({ adapters, logits_hook: hook, response_format: format }: ChatCompletionRequest): void {
  const named = adapters !== undefined && adapters !== null ? "adapters" : hook !== undefined && hook !== null ? "logits_hook" : undefined;
  const what = named ?? (format?.type === "regex" || format?.type === "grammar" ? `response_format.type ${format.type}` : undefined);
  if (what !== undefined) throw new DoranError("unsupported_remote", `${what} takes a model on this device`, { parameter: what });
}

/** Asks when the first chunk is wanted, as an engine does. Where `stopped` fires it throws its reason: clients end silently, or throw errors of their own. */
async function* chunks(ask: () => PromiseLike<unknown>, stopped: AbortSignal): AsyncGenerator<ChatCompletionChunk, undefined, undefined> {
  try {
    stopped.throwIfAborted();
    const stream = await ask();
    if (!isStream(stream)) throw new DoranError("network", "the server's answer is no stream", {});
    yield* stream;
  } catch (thrown) {
    throw stopped.aborted ? stopped.reason : thrown;
  }
  stopped.throwIfAborted();
}

function isStream(value: unknown): value is AsyncIterable<ChatCompletionChunk> {
  return isRecord(value) && Symbol.asyncIterator in value;
}

function isCompletion(value: unknown): value is ChatCompletion {
  return isRecord(value) && Array.isArray(value["choices"]);
}
