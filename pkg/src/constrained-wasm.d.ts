/** What the module for constraints exports (`crates/constrained/src/wasm.rs`), as the worker sees it. Errors it throws are `{ code, message, data }`. */

export default function init(options: { module_or_path: WebAssembly.Module }): Promise<{ readonly memory: WebAssembly.Memory }>;

/** What an answer must follow; `json_object` needs no text. */
export type ConstraintKind = "json_schema" | "json_object" | "regex" | "lark";

/** A model's vocabulary, ready for constraints: one a model. */
export class WasmVocabulary {
  /**
   * `bytes`, `ends`: the bytes of all tokens one after the other, and where each ends. `vocabSize`: logits of the model. `special`, `eos`:
   * ids that are no text, and ids that end an answer. `tokenize`: the ids of a text's bytes (UTF-8), without special tokens around them.
   */
  constructor(
    bytes: Uint8Array,
    ends: Uint32Array,
    vocabSize: number,
    special: Uint32Array,
    eos: Uint32Array,
    tokenize: (bytes: Uint8Array) => Uint32Array,
  );
  /** Throws `schema_unsatisfiable` where no text can follow it; `bad_argument` for what is not understood, not implemented or too large. */
  constraint(kind: ConstraintKind, text: string): WasmConstraint;
  free(): void;
}

/** What may come next in one answer. */
export class WasmConstraint {
  private constructor();
  /** The tokens that may come next: a bit a logit, least significant first, `ceil(vocabSize / 32)` words. A copy of its own. */
  mask(): Uint32Array;
  /** Takes the token that came; throws `bad_argument` for one that the mask does not have, and is then as before. */
  commit(id: number): void;
  /** Tokens that must come next, none where there is a choice. They are not committed. */
  forced(): Uint32Array;
  /** Whether nothing but end tokens may come. */
  isOver(): boolean;
  /** Whether the answer may end here. */
  mayEnd(): boolean;
  /** The same, to go on by itself from here: for several answers to one prompt. */
  clone(): WasmConstraint;
  free(): void;
}
