/** The stand-in of the module for constraints: it loads, and knows no vocabulary. */

let wasm;

export default async function init({ module_or_path: module }) {
  wasm ??= (await WebAssembly.instantiate(module, {})).exports;
  return wasm;
}

export class WasmVocabulary {
  constructor() {
    throw { code: "unsupported", message: "the stand-in knows no constraints", data: { what: "constraints" } };
  }
}
