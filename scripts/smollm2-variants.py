"""Makes files of SmolLM2-135M-Instruct in other formats out of the Q4_1 one, for `npm run test:long -- quantize` and `smollm2-quants`.

usage: python scripts/smollm2-variants.py <SmolLM2-135M-Instruct.Q4_1.gguf> <folder> <name>...
       (needs numpy, gguf and llama-cpp-python 0.3.36 from PyPI; the last brings llama.cpp 0c1e57098)

A name is one of llama.cpp's file types (F32, F16, Q4_0, Q4_K_M, …; with `-pure`, all matrices in one type), whose file is `smollm2-<name>.gguf`: llama.cpp's own
`llama_model_quantize` of the F32 dequantisation. `f16` is a Hugging Face folder `smollm2-f16` with the same weights in F16.
What is there is not made again.
"""
import ctypes, json, os, struct, sys
import gguf, llama_cpp
import numpy as np

FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13, "Q4_K_S": 14,
    "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38,
}


def variant(source, folder, name):
    """One of llama.cpp's files, by way of a file of another name, so that it is whole or not there."""
    to = f"{folder}/smollm2-{name}.gguf"
    if os.path.exists(to):
        return to
    base = source if name == "F32" else variant(source, folder, "F32")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize, params.nthread = FILE_TYPES[name.removesuffix("-pure")], True, 1
    params.pure = name.endswith("-pure")
    if llama_cpp.llama_model_quantize(base.encode(), f"{to}.part".encode(), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp does not make {name}")
    os.rename(f"{to}.part", to)
    return to


# GGUF's names of a layer's tensors, and Hugging Face's.
LAYER = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}


def hf_name(name):
    if name.startswith("blk."):
        _, layer, part, _ = name.split(".")
        return f"model.layers.{layer}.{LAYER[part]}.weight"
    return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]


def folder_f16(source, folder):
    """config.json, tokenizer.json and model.safetensors in F16."""
    to = f"{folder}/smollm2-f16"
    if os.path.exists(f"{to}/model.safetensors"):
        return
    os.makedirs(to, exist_ok=True)
    reader = gguf.GGUFReader(source)
    field = lambda key: reader.fields[key].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "float16",
        "hidden_size": field("llama.embedding_length"), "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"), "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "max_position_embeddings": field("llama.context_length"), "rms_norm_eps": field("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": field("llama.rope.freq_base"), "vocab_size": len(field("tokenizer.ggml.tokens")),
        "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id"),
    }
    tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    control = [i for i, kind in enumerate(kinds) if kind == 3]
    added = [{"id": i, "content": tokens[i], "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False} for i in control]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "vocab": {token: i for i, token in enumerate(tokens)}, "merges": field("tokenizer.ggml.merges"),
        },
    }
    tensors, header, at = [], {}, 0
    for tensor in reader.tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape([int(n) for n in reversed(tensor.shape)])
        # GGUF interleaves the halves of rotary heads.
        for part, n_heads in [("attn_q.", heads), ("attn_k.", kv_heads)]:
            if part in tensor.name:
                rows, cols = weights.shape
                weights = weights.reshape(n_heads, rows // n_heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)
        tensors.append((hf_name(tensor.name), weights.astype(np.float16)))
    for name, weights in sorted(tensors, key=lambda pair: pair[0]):
        header[name] = {"dtype": "F16", "shape": list(weights.shape), "data_offsets": [at, at + weights.nbytes]}
        at += weights.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{to}/model.safetensors.part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, weights in sorted(tensors, key=lambda pair: pair[0]):
            file.write(weights.tobytes())
    for name, value in [("config.json", config), ("tokenizer.json", tokenizer)]:
        with open(f"{to}/{name}", "w") as file:
            json.dump(value, file)
    os.rename(f"{to}/model.safetensors.part", f"{to}/model.safetensors")


source, folder, *names = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
for name in names:
    folder_f16(source, folder) if name == "f16" else variant(source, folder, name)
