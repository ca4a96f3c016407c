/**
 * `node scripts/make-gguf.mjs OUT [--mib 64] [--format f16|q8_0] [--seed 1] [--layers 2]`: a valid llama model of about
 * the requested size, made of noise. It downloads, stores, loads and generates (nonsense) like a real one, so that tests
 * of everything around a model need no model.
 *
 * The same arguments give the same bytes. Weights are small and finite, so logits are; noise does not compress, so that
 * storage quotas bite as they do with real weights. No tensor is longer than 128 MiB, the smallest binding limit.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const MIB = 1 << 20;
/** GGUF's default `general.alignment`. */
const ALIGNMENT = 32;
/** Bytes written at once. */
const WINDOW_BYTES = 1 << 20;
/** `ggml.h`, `enum ggml_type`, and the bytes of a row of `n` weights. */
const FORMATS = {
  f32: { type: 0, rowBytes: (n) => 4 * n },
  f16: { type: 1, rowBytes: (n) => 2 * n },
  q8_0: { type: 8, rowBytes: (n) => (n / 32) * 34 },
};
/** `general.file_type` (`llama.h`, `enum llama_ftype`). */
const FILE_TYPES = { f16: 1, q8_0: 7 };

/** GPT-2's printable stand-ins for the 256 bytes (`encoder.py`, `bytes_to_unicode`). */
function byteTokens() {
  const printable = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

/** A vocabulary of exactly `size` tokens: bytes, letter pairs with their merges, fillers, and chat markers last. */
function vocabulary(size) {
  const bytes = byteTokens();
  const space = bytes[32];
  const letters = "abcdefghijklmnopqrstuvwxyz".split("");
  const merges = [];
  for (const left of [space, ...letters]) for (const right of letters) merges.push(`${left} ${right}`);
  const special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
  const tokens = [...bytes, ...merges.map((merge) => merge.replace(" ", ""))];
  const fillers = size - tokens.length - special.length;
  if (fillers < 0) throw new Error(`a vocabulary has at least ${tokens.length + special.length} tokens`);
  for (let i = 0; i < fillers; i++) tokens.push(`${space}filler${i}`);
  const types = [...tokens.map(() => 1), ...special.map(() => 3)];
  tokens.push(...special);
  const id = (token) => tokens.length - special.length + special.indexOf(token);
  return { tokens, types, merges, endOfText: id("<|endoftext|>"), endOfTurn: id("<|im_end|>") };
}

/** Values as GGUF's metadata writes them (GGUF spec, `gguf_metadata_value_type`). */
const value = {
  u32: (n) => [4, u32(n)],
  f32: (x) => [6, f32(x)],
  bool: (b) => [7, Buffer.from([b ? 1 : 0])],
  string: (text) => [8, string(text)],
  strings: (texts) => [9, Buffer.concat([u32(8), u64(texts.length), ...texts.map(string)])],
  i32s: (numbers) => [9, Buffer.concat([u32(5), u64(numbers.length), Buffer.from(Int32Array.from(numbers).buffer)])],
};

function u32(n) {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(n);
  return out;
}

function u64(n) {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(n));
  return out;
}

function f32(x) {
  const out = Buffer.alloc(4);
  out.writeFloatLE(x);
  return out;
}

function string(text) {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}

/** Sizes that add up to about `bytes`. */
function shape(bytes, format, layers) {
  const hidden = bytes >= 128 * MIB ? 1024 : bytes >= 16 * MIB ? 512 : 128;
  const perWeight = FORMATS[format].rowBytes(hidden) / hidden;
  const headDim = 64;
  const heads = hidden / headDim;
  const kvHeads = Math.max(1, heads / 4);
  const attention = layers * hidden * perWeight * 2 * (hidden + kvHeads * headDim);
  // Half for the embedding, half for the feed-forward matrices, each of them within one binding.
  const vocab = Math.max(1024, 32 * Math.floor(Math.min(bytes / 2, 96 * MIB) / perWeight / hidden / 32));
  const left = bytes - attention - vocab * hidden * perWeight;
  const ffn = Math.max(64, 32 * Math.floor(left / (3 * layers) / perWeight / hidden / 32));
  if (ffn * hidden * perWeight > 128 * MIB) throw new Error("too large for its layers: ask for more of them");
  return { hidden, headDim, heads, kvHeads, vocab, ffn };
}

/** A generator of 32-bit noise (Marsaglia 2003, xorshift32). */
function noise(seed) {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}

/** Fills `out` with weights of a format, from noise; magnitudes stay below 2⁻⁴. */
const fill = {
  f32(out) {
    // Only norms are f32, and they are ones.
    new Float32Array(out.buffer, out.byteOffset, out.byteLength / 4).fill(1);
  },
  f16(out, next) {
    const words = new Uint32Array(out.buffer, out.byteOffset, out.byteLength / 4);
    // Sign and mantissa are random; of the exponent, two bits, so that it is 2⁻⁸ to 2⁻⁵.
    for (let i = 0; i < words.length; i++) words[i] = (next() & 0x8fff8fff) + 0x1c001c00;
  },
  q8_0(out, next) {
    for (let at = 0; at < out.length; at += 34) {
      // A scale of 2⁻¹² to 2⁻¹¹.
      out.writeUInt16LE(0x0c00 | (next() & 0x3ff), at);
      for (let i = 2; i < 34; i += 4) out.writeInt32LE(next(), at + i);
    }
  },
};

/** Writes a model to `path`; gives its length, SHA-256 and shape. */
export function makeGguf(path, { mib = 64, format = "f16", seed = 1, layers = 2 } = {}) {
  if (!(format in FILE_TYPES)) throw new Error(`unknown format ${format}`);
  const { hidden, headDim, heads, kvHeads, vocab, ffn } = shape(mib * MIB, format, layers);
  const words = vocabulary(vocab);
  const template =
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}" +
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const metadata = {
    "general.architecture": value.string("llama"),
    "general.type": value.string("model"),
    "general.name": value.string(`Noise ${mib} MiB, seed ${seed}`),
    "general.file_type": value.u32(FILE_TYPES[format]),
    "general.quantization_version": value.u32(2),
    "llama.block_count": value.u32(layers),
    "llama.context_length": value.u32(2048),
    "llama.embedding_length": value.u32(hidden),
    "llama.feed_forward_length": value.u32(ffn),
    "llama.attention.head_count": value.u32(heads),
    "llama.attention.head_count_kv": value.u32(kvHeads),
    "llama.attention.key_length": value.u32(headDim),
    "llama.attention.value_length": value.u32(headDim),
    "llama.attention.layer_norm_rms_epsilon": value.f32(1e-5),
    "llama.rope.freq_base": value.f32(10000),
    "llama.rope.dimension_count": value.u32(headDim),
    "llama.vocab_size": value.u32(vocab),
    "tokenizer.ggml.model": value.string("gpt2"),
    "tokenizer.ggml.pre": value.string("gpt-2"),
    "tokenizer.ggml.tokens": value.strings(words.tokens),
    "tokenizer.ggml.token_type": value.i32s(words.types),
    "tokenizer.ggml.merges": value.strings(words.merges),
    "tokenizer.ggml.bos_token_id": value.u32(words.endOfText),
    "tokenizer.ggml.eos_token_id": value.u32(words.endOfTurn),
    "tokenizer.ggml.padding_token_id": value.u32(words.endOfText),
    "tokenizer.ggml.add_bos_token": value.bool(false),
    "tokenizer.chat_template": value.string(template),
  };
  /** Dimensions in GGUF's order: the contiguous one first. */
  const tensors = [["token_embd.weight", [hidden, vocab], format]];
  for (let i = 0; i < layers; i++) {
    tensors.push(
      [`blk.${i}.attn_norm.weight`, [hidden], "f32"],
      [`blk.${i}.attn_q.weight`, [hidden, heads * headDim], format],
      [`blk.${i}.attn_k.weight`, [hidden, kvHeads * headDim], format],
      [`blk.${i}.attn_v.weight`, [hidden, kvHeads * headDim], format],
      [`blk.${i}.attn_output.weight`, [heads * headDim, hidden], format],
      [`blk.${i}.ffn_norm.weight`, [hidden], "f32"],
      [`blk.${i}.ffn_gate.weight`, [hidden, ffn], format],
      [`blk.${i}.ffn_up.weight`, [hidden, ffn], format],
      [`blk.${i}.ffn_down.weight`, [ffn, hidden], format],
    );
  }
  tensors.push(["output_norm.weight", [hidden], "f32"]);

  const header = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(Object.keys(metadata).length)];
  for (const [key, [type, bytes]] of Object.entries(metadata)) header.push(string(key), u32(type), bytes);
  let offset = 0;
  const lengths = tensors.map(([name, dims, of]) => {
    header.push(string(name), u32(dims.length), ...dims.map(u64), u32(FORMATS[of].type), u64(offset));
    const bytes = FORMATS[of].rowBytes(dims[0]) * (dims[1] ?? 1);
    offset += pad(bytes);
    return bytes;
  });

  const file = openSync(path, "w");
  const hash = createHash("sha256");
  let bytes = 0;
  const write = (piece) => {
    hash.update(piece);
    for (let at = 0; at < piece.length; ) at += writeSync(file, piece, at);
    bytes += piece.length;
  };
  const align = () => write(Buffer.alloc(pad(bytes) - bytes));
  try {
    write(Buffer.concat(header));
    align();
    tensors.forEach(([, , of], index) => {
      const next = noise(1000 * seed + index);
      // A whole number of blocks of each format.
      const window = Buffer.from(new ArrayBuffer(WINDOW_BYTES - (WINDOW_BYTES % 68)));
      for (let left = lengths[index]; left > 0; left -= window.length) {
        const piece = window.subarray(0, Math.min(left, window.length));
        fill[of](piece, next);
        write(piece);
      }
      align();
    });
  } finally {
    closeSync(file);
  }
  return { path, bytes, sha256: hash.digest("hex"), format, hidden, layers, heads, kvHeads, ffn, vocab };
}

function pad(bytes) {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [out, ...rest] = process.argv.slice(2);
  const options = {};
  for (let i = 0; i < rest.length; i += 2) {
    const key = rest[i].replace(/^--/, "");
    options[key] = key === "format" ? rest[i + 1] : Number(rest[i + 1]);
  }
  if (!out || out.startsWith("--")) {
    console.error("node scripts/make-gguf.mjs OUT [--mib 64] [--format f16|q8_0] [--seed 1] [--layers 2]");
    process.exit(2);
  }
  console.log(JSON.stringify(makeGguf(out, options)));
}
