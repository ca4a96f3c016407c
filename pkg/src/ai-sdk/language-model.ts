/** A language model of the AI SDK over an engine. */
import type {
  LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4GenerateResult, LanguageModelV4StreamPart, LanguageModelV4StreamResult, SharedV4Warning,
} from "@ai-sdk/provider";
import { chat, type ChatEvent, type ChatRequest } from "../chat/events.js";
import type { Engine } from "../engine.js";
import { either, until } from "../signals.js";
import type { GenerateOptions } from "../types.js";
import { Contents, NO_USAGE, toParts } from "./parts.js";
import { toRequest } from "./settings.js";

/** See `LanguageModelV4` of `@ai-sdk/provider`. */
export class DoranLanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = "doran";
  readonly modelId: string;
  /** No URL is fetched by the model. */
  readonly supportedUrls: Record<string, RegExp[]> = {};
  readonly #engine: () => Promise<Engine>;
  readonly #always: GenerateOptions;

  constructor(modelId: string, engine: () => Promise<Engine>, always: GenerateOptions) {
    this.modelId = modelId;
    this.#engine = engine;
    this.#always = always;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { engine, request, warnings } = await this.#begin(options);
    const contents = new Contents();
    for await (const part of toParts(chat(engine, request))) {
      contents.add(part);
      if (part.type !== "finish") continue;
      const { finishReason, usage, providerMetadata } = part;
      return { content: contents.content, finishReason, usage, warnings, response: this.#metadata(), ...(providerMetadata === undefined ? {} : { providerMetadata }) };
    }
    return { content: contents.content, finishReason: { unified: "other", raw: undefined }, usage: NO_USAGE, warnings };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const { engine, request, warnings } = await this.#begin(options);
    const stopped = new AbortController();
    const { signal, release } = either(options.abortSignal, stopped.signal);
    const events = chat(engine, { ...request, options: { ...request.options, signal } });
    const parts = this.#parts(events, warnings, options);
    return {
      stream: new ReadableStream<LanguageModelV4StreamPart>({
        // Nothing waits for the reader. The SDK splits streams, and a part of one that nobody reads any more would hold the engine for ever.
        start(stream) {
          const pump = async (): Promise<void> => {
            for await (const part of parts) if (!stopped.signal.aborted) stream.enqueue(part);
            if (!stopped.signal.aborted) stream.close();
          };
          pump().catch((thrown: unknown) => stream.error(thrown)).finally(release);
        },
        async cancel() {
          // A generator hears of its end between two parts only, and the next may be a long prompt away.
          stopped.abort();
          await parts.return(undefined);
        },
      }),
    };
  }

  async #begin(options: LanguageModelV4CallOptions): Promise<{ engine: Engine; request: ChatRequest; warnings: SharedV4Warning[] }> {
    options.abortSignal?.throwIfAborted();
    const { request, warnings } = toRequest(options, this.#always);
    return { engine: await until(options.abortSignal, this.#engine()), request, warnings };
  }

  /** An abort ends the stream with the signal's reason; another failure is a part of it, as the SDK has it. */
  async *#parts(events: AsyncIterable<ChatEvent>, warnings: SharedV4Warning[], { includeRawChunks, abortSignal }: LanguageModelV4CallOptions): AsyncGenerator<LanguageModelV4StreamPart, undefined> {
    yield { type: "stream-start", warnings };
    yield { type: "response-metadata", ...this.#metadata() };
    const raw: ChatEvent[] = [];
    const seen = includeRawChunks === true ? tee(events, (event) => raw.push(event)) : events;
    try {
      for await (const part of toParts(seen)) {
        for (const rawValue of raw.splice(0)) yield { type: "raw", rawValue };
        yield part;
      }
    } catch (error) {
      abortSignal?.throwIfAborted();
      yield { type: "error", error };
      yield { type: "finish", finishReason: { unified: "error", raw: undefined }, usage: NO_USAGE };
    }
  }

  #metadata(): { id: string; timestamp: Date; modelId: string } {
    return { id: crypto.randomUUID(), timestamp: new Date(), modelId: this.modelId };
  }
}

async function* tee<T>(items: AsyncIterable<T>, see: (item: T) => void): AsyncGenerator<T, undefined> {
  for await (const item of items) {
    see(item);
    yield item;
  }
}
