/** The vocabulary of a GGUF file with byte-level BPE, for benches: bytes of tokens, special ids, and an end token. */
import { readFileSync } from "node:fs";

/** Bytes of a value of a fixed-size kind (GGUF's `gguf_metadata_value_type`). */
const KIND_BYTES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [STRING, ARRAY] = [8, 9];
/** Kinds of tokens that are no text (`tokenizer.ggml.token_type`): control, user-defined. */
const SPECIAL = new Set([3, 4]);

/** The header's pairs whose keys begin with `tokenizer.`. */
function tokenizerPairs(file) {
  let at = 8;
  const number = () => { at += 4; return file.readUInt32LE(at - 4); };
  const long = () => { at += 8; return Number(file.readBigUInt64LE(at - 8)); };
  const text = () => { const n = long(); at += n; return file.toString("utf8", at - n, at); };
  const value = (kind) => {
    if (kind === STRING) return text();
    if (kind === ARRAY) {
      const of = number();
      return Array.from({ length: long() }, () => value(of));
    }
    at += KIND_BYTES[kind];
    return KIND_BYTES[kind] === 4 ? file.readUInt32LE(at - 4) : undefined;
  };
  long();
  const pairs = Array.from({ length: long() }, () => [text(), value(number())]);
  return Object.fromEntries(pairs.filter(([key]) => key.startsWith("tokenizer.")));
}

/** The byte that a character of byte-level BPE stands for: printable ones for themselves, the others in order from U+0100. */
function bytesByCharacter() {
  const printable = [...Array(256).keys()].filter((b) => (b > 0x20 && b < 0x7f) || (b > 0xa0 && b !== 0xad));
  const others = [...Array(256).keys()].filter((b) => !printable.includes(b));
  return new Map([...printable.map((b) => [String.fromCharCode(b), b]), ...others.map((b, i) => [String.fromCharCode(256 + i), b])]);
}

/** `{ tokens: Uint8Array[], special, eos }`, ids in order. */
export function vocabularyOf(path) {
  const pairs = tokenizerPairs(readFileSync(path));
  const types = pairs["tokenizer.ggml.token_type"];
  const byCharacter = bytesByCharacter();
  const tokens = pairs["tokenizer.ggml.tokens"].map((text, id) =>
    SPECIAL.has(types[id]) ? Uint8Array.from(Buffer.from(text)) : Uint8Array.from([...text].flatMap((c) => byCharacter.get(c) ?? [...Buffer.from(c)])));
  const special = types.flatMap((type, id) => (SPECIAL.has(type) ? [id] : []));
  return { tokens, special, eos: [pairs["tokenizer.ggml.eos_token_id"]] };
}

/** A tokenizer that takes the longest token each time: not the model's own, but it spells every text. */
export function greedy(tokens, special) {
  const ids = new Map();
  const noText = new Set(special);
  tokens.forEach((token, id) => { if (!noText.has(id)) ids.set(Buffer.from(token).toString("latin1"), id); });
  return (bytes) => {
    const text = Buffer.from(bytes).toString("latin1");
    const out = [];
    for (let at = 0; at < text.length;) {
      let n = Math.min(24, text.length - at);
      while (n > 1 && !ids.has(text.slice(at, at + n))) n -= 1;
      out.push(ids.get(text.slice(at, at + n)));
      at += n;
    }
    return Uint32Array.from(out);
  };
}
