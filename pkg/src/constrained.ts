/** The module that makes constraints, fetched at first use. */
import { DoranError } from "./errors.js";
import type { Constraint, WasmVocabularyBytes } from "./wasm.js";

/** Makes constraints over one vocabulary. */
export interface Vocabulary {
  constraint(kind: "json_object" | "json_schema" | "regex" | "lark", text: string): Constraint;
}

/** What the module offers. */
export interface Constrained {
  vocabulary(bytes: WasmVocabularyBytes, tokenize: (bytes: Uint8Array) => Uint32Array): Vocabulary;
}

/** The module at `url`. */
export function loadConstrained(url: string, integrity: string | undefined): Promise<Constrained> {
  return Promise.reject(new DoranError("internal", `the module for formats is not part of this build: ${url} ${integrity ?? ""}`));
}
