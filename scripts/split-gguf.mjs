/**
 * `node scripts/split-gguf.mjs FILE OUT_STEM [--parts 3]`: splits a GGUF file as llama.cpp's `gguf-split` does, into
 * `OUT_STEM-00001-of-00003.gguf` and so on. The first part keeps the metadata; each has `split.no`, `split.count` and
 * `split.tensors.count`, and its share of the tensors with their bytes as they are.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** Bytes of a value of a fixed-size kind (GGUF spec, `gguf_metadata_value_type`). */
const KIND_BYTES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [U16, I32, STRING, ARRAY] = [2, 5, 8, 9];

const u16 = (n) => { const out = Buffer.alloc(2); out.writeUInt16LE(n); return out; };
const u32 = (n) => { const out = Buffer.alloc(4); out.writeUInt32LE(n); return out; };
const u64 = (n) => { const out = Buffer.alloc(8); out.writeBigUInt64LE(BigInt(n)); return out; };
const string = (text) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);

/** The header's pairs and tensors, each with its own bytes, and where the data begins. */
function read(file) {
  let at = 4;
  const number = () => { at += 4; return file.readUInt32LE(at - 4); };
  const long = () => { at += 8; return Number(file.readBigUInt64LE(at - 8)); };
  const text = () => { const n = long(); at += n; return file.toString("utf8", at - n, at); };
  const skip = (kind) => {
    if (kind === STRING) text();
    else if (kind === ARRAY) {
      const of = number();
      const n = long();
      if (of === STRING) for (let i = 0; i < n; i++) text();
      else at += n * KIND_BYTES[of];
    } else at += KIND_BYTES[kind];
  };
  if (file.toString("latin1", 0, 4) !== "GGUF") throw new Error("this is no GGUF file");
  const version = number();
  const nTensors = long();
  const nPairs = long();
  let alignment = 32;
  const pairs = Array.from({ length: nPairs }, () => {
    const from = at;
    const key = text();
    const kind = number();
    if (key === "general.alignment") alignment = file.readUInt32LE(at);
    skip(kind);
    return { key, bytes: file.subarray(from, at) };
  });
  const tensors = Array.from({ length: nTensors }, () => {
    const from = at;
    text();
    at += 4 + 8 * file.readUInt32LE(at) + 4;
    const head = file.subarray(from, at);
    return { head, offset: long() };
  });
  const start = Math.ceil(at / alignment) * alignment;
  const ends = [...tensors.map(({ offset }) => offset), file.length - start].sort((a, b) => a - b);
  return {
    version, pairs, alignment,
    // Up to the next tensor, padding and all.
    tensors: tensors.map(({ head, offset }) => ({ head, data: file.subarray(start + offset, start + ends.find((end) => end > offset)) })),
  };
}

/** Splits the file at `path`; gives the names of its parts. */
export function splitGguf(path, stem, { parts = 3 } = {}) {
  const { version, pairs, alignment, tensors } = read(readFileSync(path));
  if (tensors.length < parts) throw new Error(`${tensors.length} tensors do not make ${parts} parts`);
  const each = Math.ceil(tensors.length / parts);
  const digits = (n) => String(n).padStart(5, "0");
  const padding = (n) => Buffer.alloc(Math.ceil(n / alignment) * alignment - n);
  return Array.from({ length: parts }, (_, no) => {
    const own = tensors.slice(no * each, (no + 1) * each);
    const split = [
      Buffer.concat([string("split.no"), u32(U16), u16(no)]),
      Buffer.concat([string("split.count"), u32(U16), u16(parts)]),
      Buffer.concat([string("split.tensors.count"), u32(I32), u32(tensors.length)]),
    ];
    const metadata = [...(no === 0 ? pairs : pairs.filter(({ key }) => key === "general.alignment")).map(({ bytes }) => bytes), ...split];
    const heads = [];
    const data = [];
    let offset = 0;
    for (const { head, data: bytes } of own) {
      heads.push(head, u64(offset));
      data.push(bytes, padding(bytes.length));
      offset += Math.ceil(bytes.length / alignment) * alignment;
    }
    const header = Buffer.concat([Buffer.from("GGUF"), u32(version), u64(own.length), u64(metadata.length), ...metadata, ...heads]);
    const name = `${stem}-${digits(no + 1)}-of-${digits(parts)}.gguf`;
    writeFileSync(name, Buffer.concat([header, padding(header.length), ...data]));
    return name;
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [path, stem, flag, parts] = process.argv.slice(2);
  if (stem === undefined || (flag !== undefined && flag !== "--parts")) {
    console.error("node scripts/split-gguf.mjs FILE OUT_STEM [--parts 3]");
    process.exit(2);
  }
  console.log(splitGguf(path, stem, parts === undefined ? {} : { parts: Number(parts) }).join("\n"));
}
