"""Makes of the GGUF file of SmolLM2-135M-Instruct the folder that transformers.js takes: `onnx/model_q4.onnx` and its configuration.

    python scripts/smollm2-onnx.py MODEL.gguf FOLDER [--check]

The graph is in ONNX Runtime's own operators: GroupQueryAttention with rotation and cache, and MatMulNBits. Activations are f32.
Embeddings and head are one matrix of 8 bits, as in the file. The other matrices have 4 bits in blocks of 32; a block of GGUF's Q4_1
begins anywhere, and one here at a whole number of its steps (WebGPU takes no other), so these are rounded anew. `--check` makes a graph that keeps
the file's own weights too, and holds what both answer against `tests/fixtures/real/`.

Wants numpy, gguf, onnx, onnxruntime and tokenizers from PyPI (made with 2.4.6, 0.19.0, 1.23.2, 1.32.0, 0.23.3).
"""

import argparse
import json
import pathlib
import tempfile

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BLOCK = 32
MICROSOFT = "com.microsoft"
# Of the reference's prompts: the others only take longer.
CHECKED = ["en_short", "ko_capital", "code_py", "json"]


class Model:
    """What the file says."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.field = lambda key: reader.fields[key].contents()
        get = lambda key: self.field(f"llama.{key}")
        self.layers, self.hidden = get("block_count"), get("embedding_length")
        self.heads, self.kv_heads = get("attention.head_count"), get("attention.head_count_kv")
        self.head_dim = self.hidden // self.heads
        self.intermediate, self.context = get("feed_forward_length"), get("context_length")
        self.theta, self.eps = get("rope.freq_base"), get("attention.layer_norm_rms_epsilon")
        self.vocab = self.field("tokenizer.ggml.tokens")

    def floats(self, name):
        tensor = self.tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    def halves(self, name, rows):
        """GGUF has the pairs that rotate together side by side, Hugging Face and ONNX half a head apart."""
        for part, heads in ((".attn_q.", self.heads), (".attn_k.", self.kv_heads)):
            if part in name:
                return rows.reshape(heads, self.head_dim // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)
        return rows


def as_stored(tensor):
    """Q4_1's codes [rows, blocks, 32], scales and zero points [rows, blocks]: code · d + m, the low halves of bytes first."""
    blocks = tensor.data.reshape(tensor.data.shape[0], -1, 4 + BLOCK // 2)
    step, least = (blocks[..., at:at + 2].copy().view(np.float16)[..., 0].astype(np.float32) for at in (0, 2))
    codes = np.concatenate([blocks[..., 4:] & 15, blocks[..., 4:] >> 4], -1)
    # A block of one value has no step.
    flat = step == 0
    return np.where(flat[..., None], 1, codes), np.where(flat, least, step), np.where(flat, 0, -least / np.where(flat, 1, step))


def rounded(tensor):
    """The same with whole zero points: of several scales for each block, the one that is least off."""
    weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    blocks = weights.reshape(weights.shape[0], -1, BLOCK)
    low, high = np.minimum(blocks.min(-1), 0), np.maximum(blocks.max(-1), 0)
    least = np.full(low.shape, np.inf, np.float32)
    best = [np.zeros_like(blocks), np.ones_like(low), np.zeros_like(low)]
    for part in np.linspace(0.85, 1.05, 9, dtype=np.float32):
        scale = np.where(high > low, (high - low) / 15 * part, 1)
        zero = np.clip(np.rint(-low * part / scale), 0, 15)
        codes = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, 15)
        error = (((codes - zero[..., None]) * scale[..., None] - blocks) ** 2).sum(-1)
        better = error < least
        least = np.where(better, error, least)
        best = [np.where(better.reshape(better.shape + (1,) * (new.ndim - 2)), new, old) for new, old in zip((codes, scale, zero), best)]
    return best


def nibbles(values):
    """Two to a byte, the first one low; an odd one out is padded."""
    values = np.pad(values.astype(np.uint8), [(0, 0)] * (values.ndim - 1) + [(0, values.shape[-1] % 2)])
    return values[..., 0::2] | values[..., 1::2] << 4


class Writer:
    """Nodes and weights in the order that they are asked for."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind, inputs, outputs, domain="", **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=f"{outputs[0]}.{kind}", domain=domain, **attributes))
        return outputs[0]


def graph(model, exact):
    g = Writer()
    weight, node = g.weight, g.node
    one = weight("one", np.array([1], np.int64))

    def linear(name, x, out):
        tensor = model.tensors[f"{name}.weight"]
        columns, rows = map(int, tensor.shape)
        codes, scales, zeros = (model.halves(f"{name}.", part) for part in (as_stored(tensor) if exact else rounded(tensor)))
        zeros = zeros.astype(np.float32) if exact else nibbles(zeros)
        parts = [("codes", nibbles(codes)), ("scales", scales.astype(np.float32)), ("zeros", zeros)]
        inputs = [x, *(weight(f"{name}.{part}", array) for part, array in parts)]
        return node("MatMulNBits", inputs, out, MICROSOFT, K=columns, N=rows, bits=4, block_size=BLOCK)

    def norm(name, x, skip, out):
        """(norm of x + skip, x + skip)"""
        scale = weight(f"{name}.weight", model.floats(f"{name}.weight"))
        if skip is None:
            return node("SimplifiedLayerNormalization", [x, scale], out, axis=-1, epsilon=model.eps, stash_type=1), x
        outputs = [out, "", "", f"{out}.sum"]
        node("SkipSimplifiedLayerNormalization", [x, skip, scale], outputs, MICROSOFT, epsilon=model.eps)
        return out, outputs[3]

    # How long each sequence is, and the longest.
    summed = node("ReduceSum", ["attention_mask", one], "seqlens", keepdims=0)
    less = node("Sub", [summed, one], "seqlens_less_one")
    seqlens = node("Cast", [less], "seqlens_k", to=TensorProto.INT32)
    total = node("Gather", [node("Shape", ["attention_mask"], "mask_shape"), weight("axis", np.array(1, np.int64))], "total", axis=0)
    total = node("Cast", [total], "total_sequence_length", to=TensorProto.INT32)
    angles = np.outer(np.arange(model.context), model.theta ** (-np.arange(0, model.head_dim, 2) / model.head_dim))
    tables = [weight("cos_cache", np.cos(angles).astype(np.float32)), weight("sin_cache", np.sin(angles).astype(np.float32))]

    # Q8_0: a scale and 32 signed bytes a block.
    rows = model.tensors["token_embd.weight"].data.reshape(len(model.vocab), -1, 2 + BLOCK)
    scales = weight("embedding.scales", rows[..., :2].copy().view(np.float16)[..., 0].astype(np.float32))
    codes = weight("embedding.codes", rows[..., 2:] ^ 0x80)
    shape = weight("embedding.shape", np.array([len(model.vocab), model.hidden], np.int64))
    flat = node("Reshape", [codes, shape], "embedding.flat")
    x = node("GatherBlockQuantized", [flat, "input_ids", scales], "embedded", MICROSOFT, bits=8, block_size=BLOCK, gather_axis=0, quantize_axis=1)

    h = None
    for i in range(model.layers):
        at = f"blk.{i}"
        y, x = norm(f"{at}.attn_norm", x, h, f"{at}.normed")
        q, k, v = (linear(f"{at}.attn_{name}", y, f"{at}.{name}") for name in "qkv")
        past = [f"past_key_values.{i}.{name}" for name in ("key", "value")]
        present = [f"present.{i}.{name}" for name in ("key", "value")]
        node("GroupQueryAttention", [q, k, v, *past, seqlens, total, *tables], [f"{at}.attention", *present], MICROSOFT,
             num_heads=model.heads, kv_num_heads=model.kv_heads, do_rotary=1, rotary_interleaved=0)
        h = linear(f"{at}.attn_output", f"{at}.attention", f"{at}.o")
        y, x = norm(f"{at}.ffn_norm", x, h, f"{at}.ffn_normed")
        gate, up = linear(f"{at}.ffn_gate", y, f"{at}.gate"), linear(f"{at}.ffn_up", y, f"{at}.up")
        gate = node("Mul", [gate, node("Sigmoid", [gate], f"{at}.sigmoid")], f"{at}.silu")
        h = linear(f"{at}.ffn_down", node("Mul", [gate, up], f"{at}.gated"), f"{at}.down")
    y, _ = norm("output_norm", x, h, "last")
    start = node("Reshape", [node("Neg", ["num_logits_to_keep"], "minus_kept"), one], "first_kept")
    y = node("Slice", [y, start, weight("end", np.array([2**31 - 1], np.int64)), one], "kept")
    node("MatMulNBits", [y, codes, scales], "logits", MICROSOFT, K=model.hidden, N=len(model.vocab), bits=8, block_size=BLOCK)

    ints = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.INT64, shape)
    cache = lambda name, length: [
        helper.make_tensor_value_info(f"{name}.{i}.{part}", TensorProto.FLOAT, ["batch_size", model.kv_heads, length, model.head_dim])
        for i in range(model.layers) for part in ("key", "value")
    ]
    inputs = [ints("input_ids", ["batch_size", "tokens"]), ints("attention_mask", ["batch_size", "length"]), ints("num_logits_to_keep", [])]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", "kept", len(model.vocab)])
    made = helper.make_graph(g.nodes, "smollm2", inputs + cache("past_key_values", "past"), [logits] + cache("present", "length"), g.weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="doran")


def configuration(model):
    """Names and contents of the files beside the graph."""
    special = [i for i, kind in enumerate(model.field("tokenizer.ggml.token_type")) if kind == gguf.TokenType.CONTROL]
    bos, eos = model.field("tokenizer.ggml.bos_token_id"), model.field("tokenizer.ggml.eos_token_id")
    unknown = model.field("tokenizer.ggml.unknown_token_id")
    added = [
        {"id": i, "content": model.vocab[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i in special
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bpe = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {token: i for i, token in enumerate(model.vocab)},
        "merges": [merge.split(" ") for merge in model.field("tokenizer.ggml.merges")],
    }
    yield "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None, "decoder": byte_level, "model": bpe,
    }
    yield "tokenizer_config.json", {
        "tokenizer_class": "GPT2Tokenizer", "bos_token": model.vocab[bos], "eos_token": model.vocab[eos], "unk_token": model.vocab[unknown],
        "pad_token": model.vocab[eos], "model_max_length": model.context, "clean_up_tokenization_spaces": False, "add_prefix_space": False,
        "chat_template": model.field("tokenizer.chat_template"),
    }
    yield "config.json", {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": len(model.vocab), "hidden_size": model.hidden,
        "intermediate_size": model.intermediate, "num_hidden_layers": model.layers, "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads, "head_dim": model.head_dim, "max_position_embeddings": model.context, "rms_norm_eps": model.eps,
        "rope_theta": model.theta, "hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": bos, "eos_token_id": eos,
    }
    yield "generation_config.json", {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": eos}


def answer(path, model, ids, count):
    """Greedy tokens, one by one through the cache, and the logits after the prompt."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    empty = np.zeros((1, model.kv_heads, 0, model.head_dim), np.float32)
    cache = {name.replace("present", "past_key_values"): empty for name in names[1:]}
    step, length, first, out = list(ids), 0, None, []
    for _ in range(count):
        length += len(step)
        feeds = {"input_ids": np.array([step]), "attention_mask": np.ones((1, length), np.int64), "num_logits_to_keep": np.array(1)}
        results = session.run(None, feeds | cache)
        cache = dict(zip((name.replace("present", "past_key_values") for name in names[1:]), results[1:]))
        logits = results[0][0, -1]
        first = logits if first is None else first
        step = [int(logits.argmax())]
        out += step
    return out, first


def check(folder, model):
    """Both graphs against the reference, which is of the file's own weights; ids against the tokenizer's."""
    import tokenizers

    golden = json.loads(pathlib.Path(__file__).parent.joinpath("../tests/fixtures/real/smollm2-135m-instruct-q4_1.json").read_text())
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    with tempfile.TemporaryDirectory() as scratch:
        exact = f"{scratch}/exact.onnx"
        onnx.save(graph(model, exact=True), exact)
        for prompt in (prompt for prompt in golden["prompts"] if prompt["id"] in CHECKED):
            ids, want = prompt["ids"], prompt["f32"]["greedy"]["ids"]
            if tokenizer.encode(prompt["text"]).ids != ids:
                raise SystemExit(f"{prompt['id']}: the tokenizer gives other ids")
            got, logits = answer(exact, model, ids, len(want))
            off = max(abs(logits[i] - value) for i, value in prompt["f32"]["top20"])
            anew, _ = answer(str(folder / "onnx/model_q4.onnx"), model, ids, len(want))
            same = next((i for i, (a, b) in enumerate(zip(anew, want)) if a != b), len(want))
            print(f"{prompt['id']}: logits off by {off:.1e}; the file's weights: {'equal' if got == want else got}; "
                  f"rounded anew: the first {same} of {len(want)} tokens equal")
            if got != want:
                raise SystemExit(f"{prompt['id']}: the graph answers otherwise than the reference: {want}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    model = Model(args.model)
    (args.folder / "onnx").mkdir(parents=True, exist_ok=True)
    for name, content in configuration(model):
        (args.folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1))
    onnx.save(graph(model, exact=False), args.folder / "onnx/model_q4.onnx")
    if args.check:
        check(args.folder, model)


main()
