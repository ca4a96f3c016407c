/**
 * `doran/prompt-api`: the Prompt API of browsers (`LanguageModel`), answered by a model of the page's choice.
 *
 * @packageDocumentation
 */
import { frameOf } from "./answer.js";
import { Context } from "./context.js";
import { domException, toPage } from "./errors.js";
import { readInitialPrompts } from "./input.js";
import { DownloadMonitor } from "./monitor.js";
import { isExpectable, PARAMS, readSampling, readTools } from "./options.js";
import { LanguageModelSession } from "./session.js";
import { SharedEngine } from "./shared-engine.js";
import type {
  Availability, InstallOptions, LanguageModelConfig, LanguageModelCreateCoreOptions, LanguageModelCreateOptions, LanguageModelParams,
} from "./types.js";

export type { LanguageModelSession } from "./session.js";
export type {
  Availability, CreateMonitor, InstallOptions, LanguageModelConfig, LanguageModelCreateCoreOptions, LanguageModelCreateOptions, LanguageModelExpected,
  LanguageModelMessage, LanguageModelMessageContent, LanguageModelMessageRole, LanguageModelMessageType, LanguageModelParams, LanguageModelPrompt,
  LanguageModelPromptOptions, LanguageModelSamplingMode, LanguageModelSignalOptions, LanguageModelTool,
} from "./types.js";

/** The class that pages know as `LanguageModel`. `new` throws: `create` makes sessions. */
export type LanguageModelClass = (abstract new () => LanguageModelSession) & LanguageModelStatics;

/** What is called on the class itself. */
export interface LanguageModelStatics {
  /** Whether `create` would work, and whether it would have to download. */
  availability(options?: LanguageModelCreateCoreOptions): Promise<Availability>;
  /**
   * A new session; loads the model if no session has.
   *
   * Rejects with a `DOMException` (`NotSupportedError`, `QuotaExceededError` for initial prompts that are too long, `NetworkError`, …),
   * a `TypeError` or `RangeError` for options that are wrong, or with `signal.reason`.
   */
  create(options?: LanguageModelCreateOptions): Promise<LanguageModelSession>;
  /** The bounds of sampling. */
  params(): Promise<LanguageModelParams>;
  /** Unloads a model that was loaded here, at once. Not of the specification. */
  unload(): Promise<void>;
}

/**
 * The `LanguageModel` class of a model, without putting it anywhere.
 *
 * @example
 * ```ts
 * const LanguageModel = createLanguageModel({ model: "hf:owner/name" });
 * const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "짧게 답하세요." }] });
 * for await (const delta of session.promptStreaming("안녕하세요?")) show(delta);
 * ```
 */
export function createLanguageModel(config: LanguageModelConfig): LanguageModelClass {
  const shared = new SharedEngine(config);

  return class LanguageModel extends LanguageModelSession {
    static async availability(options: LanguageModelCreateCoreOptions = {}): Promise<Availability> {
      readSampling(options);
      readTools(options);
      return isExpectable(options) ? shared.availability() : "unavailable";
    }

    static async create(options: LanguageModelCreateOptions = {}): Promise<LanguageModel> {
      const { signal, monitor } = options;
      signal?.throwIfAborted();
      const sampling = readSampling(options);
      const tools = readTools(options);
      const initial = readInitialPrompts(options.initialPrompts);
      if (!isExpectable(options)) throw domException("NotSupportedError", "this model reads and writes text only");
      const downloads = new DownloadMonitor();
      monitor?.(downloads);
      downloads.begin();
      try {
        const engine = await shared.acquire({ signal, onProgress: (progress) => downloads.step(progress) });
        downloads.done();
        const session = await begin(async () => new LanguageModel({
          engine, shared, sampling, tools, config, context: await Context.begin(engine, initial, frameOf(tools, config)),
        }));
        signal?.addEventListener("abort", () => session.destroyBecause(signal.reason), { once: true });
        if (signal?.aborted === true) {
          session.destroyBecause(signal.reason);
          signal.throwIfAborted();
        }
        return session;
      } catch (thrown) {
        throw toPage(thrown);
      }
    }

    static params(): Promise<LanguageModelParams> {
      return Promise.resolve(PARAMS);
    }

    static unload(): Promise<void> {
      return shared.unload();
    }
  };

  /** Makes a session of the engine that was acquired for it, and gives the engine back where that fails. */
  async function begin<T>(make: () => Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (thrown) {
      shared.release();
      throw thrown;
    }
  }
}

/** What `installLanguageModel` did. */
export interface InstalledLanguageModel {
  /** The class, wherever it is. */
  readonly LanguageModel: LanguageModelClass;
  /** It is where pages look for it. `false` where the browser has its own. */
  readonly installed: boolean;
  /** Takes it away again, puts back what was there before, and unloads the model. */
  uninstall(): Promise<void>;
}

/**
 * Makes `LanguageModel` a global, in pages and in workers, where there is none (or, with `force`, in place of the browser's).
 *
 * @example
 * ```ts
 * installLanguageModel({ model: "hf:owner/name" });
 * const session = await LanguageModel.create();
 * ```
 */
export function installLanguageModel({ global = globalThis, force = false, ...config }: InstallOptions): InstalledLanguageModel {
  const LanguageModel = createLanguageModel(config);
  const before = Object.getOwnPropertyDescriptor(global, "LanguageModel");
  const installed = force || !("LanguageModel" in global);
  if (installed) Object.defineProperty(global, "LanguageModel", { value: LanguageModel, configurable: true, writable: true, enumerable: false });
  return {
    LanguageModel,
    installed,
    async uninstall() {
      const ours = Reflect.get(global, "LanguageModel") === LanguageModel;
      if (ours && before === undefined) Reflect.deleteProperty(global, "LanguageModel");
      if (ours && before !== undefined) Object.defineProperty(global, "LanguageModel", before);
      await LanguageModel.unload();
    },
  };
}
