/**
 * A valid Llama of some 64 MiB as a Hugging Face folder in F32, made of noise, with the tokenizer of another folder: for tests of
 * what happens around a model that is no GGUF file. The same arguments give the same bytes. Rows are multiples of 256.
 */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const [HIDDEN, INTERMEDIATE, LAYERS, HEADS, VOCAB] = [512, 2048, 4, 8, 389];

const CONFIG = {
  architectures: ["LlamaForCausalLM"], model_type: "llama", hidden_act: "silu", torch_dtype: "float32", tie_word_embeddings: false,
  hidden_size: HIDDEN, intermediate_size: INTERMEDIATE, num_hidden_layers: LAYERS, num_attention_heads: HEADS, num_key_value_heads: HEADS,
  max_position_embeddings: 256, rms_norm_eps: 1e-5, rope_theta: 10000, vocab_size: VOCAB, bos_token_id: 1, eos_token_id: 2,
};

/** Names and shapes, in the order of the file. */
function* tensors() {
  yield ["lm_head.weight", [VOCAB, HIDDEN]];
  yield ["model.embed_tokens.weight", [VOCAB, HIDDEN]];
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const at = `model.layers.${layer}`;
    yield [`${at}.input_layernorm.weight`, [HIDDEN]];
    yield [`${at}.mlp.down_proj.weight`, [HIDDEN, INTERMEDIATE]];
    yield [`${at}.mlp.gate_proj.weight`, [INTERMEDIATE, HIDDEN]];
    yield [`${at}.mlp.up_proj.weight`, [INTERMEDIATE, HIDDEN]];
    yield [`${at}.post_attention_layernorm.weight`, [HIDDEN]];
    for (const name of ["k", "o", "q", "v"]) yield [`${at}.self_attn.${name}_proj.weight`, [HIDDEN, HIDDEN]];
  }
  yield ["model.norm.weight", [HIDDEN]];
}

/** Noise in -0.05 to 0.05 (xorshift32, Marsaglia 2003). */
function noise(length, seed) {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) / 2 ** 32 - 0.5) / 10;
  });
}

/** Makes the folder, unless it is there. `arch` is where `tokenizer.json` is taken from. */
export function makeFolder(folder, { arch, seed }) {
  const path = join(folder, "model.safetensors");
  if (existsSync(path)) return;
  mkdirSync(folder, { recursive: true });
  const header = {};
  let end = 0;
  for (const [name, shape] of tensors()) {
    const start = end;
    end += 4 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(`${path}.part`, "w");
  writeSync(file, Buffer.concat([length, text]));
  let next = seed;
  for (const [, shape] of tensors()) {
    const count = shape.reduce((product, n) => product * n, 1);
    const values = shape.length === 1 ? new Float32Array(count).fill(1) : noise(count, (next += 1));
    writeSync(file, Buffer.from(values.buffer));
  }
  closeSync(file);
  writeFileSync(join(folder, "config.json"), JSON.stringify(CONFIG));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) copyFileSync(join(arch, name), join(folder, name));
  renameSync(`${path}.part`, path);
}
