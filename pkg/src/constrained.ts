/** The module for constraints on answers, fetched on first use: most pages never constrain one. Its glue is part of the worker. */
import init, { WasmVocabulary } from "./constrained-wasm.js";
import { compile } from "./wasm-compile.js";

/** What the module offers, once it is here. */
export interface Constrained {
  readonly Vocabulary: typeof WasmVocabulary;
  readonly memory: WebAssembly.Memory;
}

let loading: Promise<Constrained> | undefined;

async function load(wasmUrl: string, integrity: string | undefined): Promise<Constrained> {
  const { memory } = await init({ module_or_path: await compile(wasmUrl, integrity) });
  return { Vocabulary: WasmVocabulary, memory };
}

/**
 * The module at `wasmUrl`, fetched once; later calls get what the first one brought. After a failure the next call tries again.
 * `integrity`: the hash that it must have, as in `doran/integrity.json`.
 *
 * # Errors
 * `network`, `bad_hash` and `unsupported`, as of {@link compile}.
 */
export function loadConstrained(wasmUrl: string, integrity?: string): Promise<Constrained> {
  const current = (loading ??= load(wasmUrl, integrity));
  current.catch(() => {
    if (loading === current) loading = undefined;
  });
  return current;
}
