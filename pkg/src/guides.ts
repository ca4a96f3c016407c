/** What has a say in an answer beside the model: constraints, whose module is fetched at first use, and hooks, which are the caller's modules. */
import { loadConstrained } from "./constrained.js";
import type { WasmVocabulary } from "./constrained-wasm.js";
import { DoranError, isRecord } from "./errors.js";
import type { LogitsHook, OutputFormat } from "./types.js";
import type { Constraint, WasmEngine } from "./wasm.js";

/** Constraints over one model's vocabulary. */
export class Constraints {
  readonly #url: string;
  readonly #integrity: string | undefined;
  #vocabulary: Promise<WasmVocabulary> | undefined;

  constructor(url: string, integrity: string | undefined) {
    this.#url = url;
    this.#integrity = integrity;
  }

  /** A constraint for one answer. The caller frees it. */
  async of(engine: WasmEngine, format: OutputFormat): Promise<Constraint> {
    const [kind, text] = written(format);
    // A fetch that failed may succeed later.
    this.#vocabulary ??= this.#load(engine).catch((thrown: unknown) => {
      this.#vocabulary = undefined;
      throw thrown;
    });
    return (await this.#vocabulary).constraint(kind, text);
  }

  async #load(engine: WasmEngine): Promise<WasmVocabulary> {
    const { Vocabulary } = await loadConstrained(this.#url, this.#integrity);
    const { bytes, ends, special, eos } = engine.vocabulary();
    return new Vocabulary(bytes, ends, engine.info().vocabSize, special, eos, (text) => engine.tokenizeBytes(text));
  }
}

/** A format's kind and text. */
function written(format: OutputFormat): [kind: OutputFormat["type"], text: string] {
  switch (format.type) {
    case "json_object": return ["json_object", ""];
    case "json_schema": return ["json_schema", JSON.stringify(format.schema)];
    case "regex": return ["regex", format.pattern];
    case "lark": return ["lark", format.grammar];
    default: {
      const other: { readonly type: unknown } = format;
      throw new DoranError("bad_argument", `there is no format ${JSON.stringify(other.type)}`, { argument: "format" });
    }
  }
}

/** The hook that a module exports. */
export async function importHook(url: string): Promise<LogitsHook> {
  let module: unknown;
  try {
    module = await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
  } catch (thrown) {
    const because = thrown instanceof Error ? thrown.message : String(thrown);
    throw new DoranError("bad_argument", `the module of logitsHook could not be imported (${because}): ${url}`, { argument: "logitsHook", url });
  }
  const hook = isRecord(module) ? module["default"] : undefined;
  if (isHook(hook)) return hook;
  throw new DoranError("bad_argument", `the module of logitsHook has no function as its default export: ${url}`, { argument: "logitsHook", url });
}

function isHook(value: unknown): value is LogitsHook {
  return typeof value === "function";
}
