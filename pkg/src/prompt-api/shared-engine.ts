/** The one engine that all sessions of a page share: loaded at the first session, and unloaded some time after the last. */
import { endOf, Engine } from "../engine.js";
import { entrySource, isEntry } from "../license.js";
import { until } from "../signals.js";
import type { ModelSource, Progress } from "../types.js";
import { domException } from "./errors.js";
import type { Availability, LanguageModelConfig } from "./types.js";

const IDLE_MS = 60_000;

/** A load that goes on, and who waits for it. */
interface Load {
  readonly engine: Promise<Engine>;
  readonly controller: AbortController;
  readonly listeners: Set<(progress: Progress) => void>;
  waiting: number;
  ready: boolean;
}

/** See the file's head. */
export class SharedEngine {
  readonly #config: LanguageModelConfig;
  #load: Load | undefined;
  #sessions = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(config: LanguageModelConfig) {
    if (config.model === undefined && config.engine === undefined) throw new TypeError("a LanguageModel needs a model or an engine");
    this.#config = config;
  }

  /** Whether the model is here, comes, or must be fetched. Nothing is loaded for the answer. */
  async availability(): Promise<Availability> {
    const { engine, model, loadOptions = {} } = this.#config;
    if (engine !== undefined) return await hasEnded(engine) ? "unavailable" : "available";
    if (this.#load !== undefined) return this.#load.ready ? "available" : "downloading";
    if (!await Engine.isSupported()) return "unavailable";
    if (model instanceof Blob) return "available";
    const stored = await Engine.storage.list(loadOptions);
    const isHere = stored.some(({ complete, name, url }) => complete && (name === loadOptions.name || isOf(model, name, url)));
    return isHere ? "available" : "downloadable";
  }

  /**
   * The engine, for one more session, which gives it back by {@link release}. Rejects with `signal.reason` when aborted; the load
   * ends when nobody waits for it any more.
   */
  async acquire({ signal, onProgress }: { signal?: AbortSignal | undefined; onProgress: (progress: Progress) => void }): Promise<Engine> {
    signal?.throwIfAborted();
    clearTimeout(this.#idle);
    const { engine } = this.#config;
    const loaded = await (engine === undefined ? this.#wait(signal, onProgress) : until(signal, engine));
    this.#sessions += 1;
    if (loaded.info.kind !== "encoder") return loaded;
    this.release();
    throw domException("NotSupportedError", `${loaded.info.name} embeds texts and does not answer`);
  }

  /** One more session of an engine that is in use. */
  share(): void {
    this.#sessions += 1;
  }

  /** A session has ended. */
  release(): void {
    this.#sessions -= 1;
    const idleMs = this.#config.idleMs ?? IDLE_MS;
    if (this.#sessions === 0 && idleMs !== Infinity) this.#idle = setTimeout(() => void this.#unloadIfIdle(), idleMs);
  }

  async #unloadIfIdle(): Promise<void> {
    if (this.#sessions === 0 && this.#load?.waiting === 0) await this.unload();
  }

  /** Unloads what was loaded here; an engine of the page's own stays. */
  async unload(): Promise<void> {
    clearTimeout(this.#idle);
    const load = this.#load;
    this.#load = undefined;
    load?.controller.abort(domException("AbortError", "the model was unloaded"));
    const engine = await load?.engine.catch(() => undefined);
    await engine?.unload();
  }

  async #wait(signal: AbortSignal | undefined, onProgress: (progress: Progress) => void): Promise<Engine> {
    const load = this.#load ??= this.#start();
    load.waiting += 1;
    load.listeners.add(onProgress);
    try {
      return await until(signal, load.engine);
    } finally {
      load.waiting -= 1;
      load.listeners.delete(onProgress);
      if (load.waiting === 0 && !load.ready) {
        load.controller.abort(signal?.reason);
        this.#forget(load);
      }
    }
  }

  #start(): Load {
    const { model = "", loadOptions = {} } = this.#config;
    const controller = new AbortController();
    const listeners = new Set<(progress: Progress) => void>();
    const onProgress = (progress: Progress): void => {
      loadOptions.onProgress?.(progress);
      for (const listener of listeners) listener(progress);
    };
    const engine = Engine.load(model, { ...loadOptions, onProgress, signal: controller.signal });
    const load: Load = { engine, controller, listeners, waiting: 0, ready: false };
    // A load that failed is tried again by the next session, and so is one whose worker has ended.
    const forget = (): void => this.#forget(load);
    engine.then((loaded) => {
      load.ready = true;
      endOf(loaded).addEventListener("abort", forget, { once: true });
    }, forget);
    return load;
  }

  #forget(load: Load): void {
    if (this.#load === load) this.#load = undefined;
  }
}

/** Whether an engine of the page's is of no use any more. One that is still loading is. */
function hasEnded(engine: Engine | PromiseLike<Engine>): Promise<boolean> {
  return Promise.race([engine, Promise.resolve(undefined)]).then((loaded) => loaded !== undefined && endOf(loaded).aborted, () => true);
}

/** Whether a stored model is what a source gives. Queries differ from one signed address to the next, and are not looked at. */
function isOf(source: ModelSource | undefined, name: string, url: string | undefined): boolean {
  if (typeof source === "string" || source instanceof URL) {
    // A model that was quantised on arrival is stored as `name#format`.
    if (name === source || name.startsWith(`${source.toString()}#`)) return true;
    return url !== undefined && url !== "" && place(url) === place(source);
  }
  if (source === undefined || source instanceof Blob) return false;
  if (isEntry(source)) return isOf(entrySource(source), name, url);
  if ("stored" in source) return name === source.stored;
  return source.files.some((file) => file.url !== undefined && isOf(file.url, name, url));
}

function place(address: string | URL): string | undefined {
  const { location } = globalThis;
  try {
    const { origin, pathname } = new URL(address, location?.href);
    return `${origin}${pathname}`;
  } catch {
    return undefined;
  }
}
