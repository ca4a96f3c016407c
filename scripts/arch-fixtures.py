"""Makes checkpoints of random weights for tests/fixtures/arch, with dimensions and switches that the other goldens do not have, and
what transformers computes of them in f32; and `defaults.json`, what its configurations mean that leave keys out.

    python scripts/arch-fixtures.py [NAME …]

Each folder is as transformers writes it: `config.v5.json`, and the same in the words of transformers 4 as `config.json`. The tokenizer,
and its cases, are those of another checkpoint. Wants torch, transformers and safetensors (made with 2.15.0, 5.24.0, 0.8.0).
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers

ARCH = pathlib.Path(__file__).parent / "../tests/fixtures/arch"
TOKENIZER = ARCH / "gpt2"
VOCAB = 389

# Name: (model_type, what its configuration says).
CHECKPOINTS = {
    "gpt_neo": ("gpt_neo", dict(
        hidden_size=30, num_layers=4, num_heads=5, attention_types=[[["global", "local"], 1], [["local"], 2]], window_size=7,
        intermediate_size=50, max_position_embeddings=256,
    )),
    # Linear biases that are rounded to bfloat16, which slopes of 12 heads are not; one norm; attention before the MLP.
    "falcon_alibi": ("falcon", dict(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=12, multi_query=False, parallel_attn=False, bias=True, alibi=True,
    )),
    # Products in parts, without biases.
    "bloom_parts": ("bloom", dict(hidden_size=36, n_layer=2, n_head=6, slow_but_exact=True, pretraining_tp=2)),
    # A cap on scores that is not read, one on logits that is; biases, scaled rotation, layers in an order of their own.
    "gemma3_caps": ("gemma3_text", dict(
        hidden_size=36, intermediate_size=50, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2, head_dim=10,
        max_position_embeddings=256, query_pre_attn_scalar=20, sliding_window=5, attn_logit_softcapping=3.0, final_logit_softcapping=4.0,
        attention_bias=True, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": dict(rope_type="linear", rope_theta=1e6, factor=8.0),
            "sliding_attention": dict(rope_type="default", rope_theta=5000.0),
        },
    )),
    # A gate that is SiLU's whatever the activation is; biases but no convolution's.
    "mamba_relu": ("mamba", dict(
        hidden_size=30, num_hidden_layers=2, state_size=5, expand=3, conv_kernel=3, use_bias=True, use_conv_bias=False, time_step_rank=3,
        hidden_act="relu", tie_word_embeddings=False,
    )),
    # With padding inside texts, which has no position.
    "xlm_roberta_pads": ("xlm-roberta", dict(
        hidden_size=30, num_hidden_layers=2, num_attention_heads=5, intermediate_size=44, hidden_act="relu", max_position_embeddings=70,
        type_vocab_size=1, pad_token_id=3,
    ), 2, TOKENIZER, True),
}


def older(config, settings):
    """The keys of transformers 4, of which the first did not list the layers' kinds."""
    config = {key: value for key, value in config.items() if key != "layer_types" or key in settings}
    rope = config.pop("rope_parameters", None)
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    if not rope:
        return config
    if all(isinstance(value, dict) for value in rope.values()):
        local = rope.get("sliding_attention") or {}
        config["rope_local_base_freq"] = local.get("rope_theta")
        rope = rope["full_attention"]
    rope = dict(rope)
    for key in ("rope_theta", "partial_rotary_factor"):
        if key in rope:
            config[key] = rope.pop(key)
    config["rope_scaling"] = None if rope.get("rope_type", "default") == "default" else rope
    return config


def randomise(model, seed):
    """Weights that let each tensor be noticed: norms around 1, matrices such that rows keep their size."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if tensor.dim() > 1 and "embed" not in name and "wte" not in name and "wpe" not in name:
                tensor.copy_(noise * 1.2 * tensor.shape[-1] ** -0.5)
            elif "norm" in name.lower() or ".ln" in name or "layernorm" in name.lower():
                tensor.copy_(noise * 0.3 + (1.0 if name.endswith("weight") and "gemma" not in model.config.model_type else 0.0))
            else:
                tensor.copy_(noise * 0.5)


def ids_of(length, salt, vocab):
    return [(7 + salt * 31 + i * 37 + i * i * 11) % vocab for i in range(length)]


def rounded(values, digits=7):
    return [float(f"{value:.{digits}g}") for value in values]


def prompt_of(model, ids, extra):
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), **extra)
    if not hasattr(out, "logits") or out.logits is None:
        rows = out.last_hidden_state[0]
        unit = lambda row: rounded((row / row.norm()).tolist())
        return {"ids": ids, "last_hidden_first_token": rounded(rows[0].tolist()), "mean_pool": unit(rows.mean(0)), "cls_pool": unit(rows[0])}
    logits = out.logits[0]
    top = logits.topk(2).values
    return {
        "ids": ids, "last_logits": rounded(logits[-1].tolist()), "top1": logits.argmax(-1).tolist(),
        "top1_margin": rounded((top[:, 0] - top[:, 1]).tolist(), 5), "first_logits": rounded(logits[0].tolist()),
    }


def greedy(model, prompt, start):
    """16 tokens, each by a pass over all before it."""
    ids, margins = [], []
    for _ in range(16):
        if start is None:
            extra, given = {}, prompt + ids
        else:
            extra, given = {"decoder_input_ids": torch.tensor([[start] + ids])}, prompt
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([given]), use_cache=False, **extra).logits[0, -1]
        top = logits.topk(2)
        ids.append(top.indices[0].item())
        margins.append(round((top.values[0] - top.values[1]).item(), 5))
    return {"prompt": prompt, "ids": ids, "margins": margins, "note": "eos ignored"}


def make(folder, model_type, settings, seed=1, tokenizer=TOKENIZER, pads=False):
    folder = pathlib.Path(folder)
    config = transformers.AutoConfig.for_model(model_type, **{**dict(vocab_size=VOCAB, bos_token_id=1, eos_token_id=2, pad_token_id=0), **settings})
    # The usual way has demands on dimensions. That of attention is left: with eager attention Falcon's linear biases count twice.
    config._experts_implementation = "eager"
    answers = getattr(config, "is_encoder_decoder", False)
    kind = transformers.AutoModelForSeq2SeqLM if answers else transformers.AutoModelForCausalLM
    if model_type in ("bert", "xlm-roberta"):
        kind = transformers.AutoModel
    torch.manual_seed(seed)
    model = kind.from_config(config).float().eval()
    randomise(model, seed)
    model.tie_weights()
    # Before anything is computed: RWKV changes its weights for that.
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    start = config.decoder_start_token_id if answers else None
    decoder = [start] + ids_of(8, 5, VOCAB) if answers else None
    extra = {"decoder_input_ids": torch.tensor([decoder])} if answers else {}
    prompts = []
    for salt, length in enumerate((1, 7, 40)):
        ids = ids_of(length, salt, VOCAB)
        if pads:
            ids = [config.pad_token_id if i % 5 in (1, 2) else token for i, token in enumerate(ids)]
        prompt = prompt_of(model, ids, extra)
        if answers:
            prompt["decoder_ids"] = decoder
        else:
            prompt.pop("first_logits", None)
        prompts.append(prompt)
    golden = {"prompts": prompts}
    if "last_logits" in prompts[0]:
        golden["greedy"] = greedy(model, prompts[1]["ids"], start)
        key = "last_logits"
    else:
        key = "mean_pool"
    double = prompt_of(model.double(), prompts[2]["ids"], extra)[key]
    golden["f64_noise_max_abs"] = max(abs(a - b) for a, b in zip(prompts[2][key], double))
    model.float()
    tokens = json.loads((tokenizer / "golden.json").read_text())
    golden |= {key: tokens[key] for key in ("tokenizer_cases", "tokenizer_kind")}
    golden |= {
        "arch": folder.name, "model_type": model_type, "hf_class": type(model).__name__, "seed": seed, "transformers": transformers.__version__,
        "torch": torch.__version__, "n_params": sum(p.numel() for p in model.parameters()), "gguf": None, "verification": "hf only",
    }
    saved = json.loads((folder / "config.json").read_text())
    (folder / "config.json").rename(folder / "config.v5.json")
    (folder / "config.json").write_text(json.dumps(older(saved, settings), indent=1, sort_keys=True))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, folder / name)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "golden.json").write_text(json.dumps(golden))
    return golden


def defaults():
    """What configurations of each kind mean that say nothing, but for what all kinds have."""
    general = set(transformers.PreTrainedConfig().to_dict()) - {"tie_word_embeddings", "is_encoder_decoder", "decoder_start_token_id"}
    kinds = sorted({json.loads(path.read_text())["model_type"] for path in ARCH.glob("*/config.v5.json")})
    known = [kind for kind in kinds if kind in transformers.CONFIG_MAPPING]
    of = lambda kind: transformers.CONFIG_MAPPING[kind]().to_dict()
    return {kind: {key: value for key, value in of(kind).items() if key not in general | {"model_type", "layer_types"}} for kind in known}


if __name__ == "__main__":
    (ARCH / "../defaults.json").write_text(json.dumps(defaults(), indent=1) + "\n")
    for name in sys.argv[1:] or CHECKPOINTS:
        golden = make(ARCH / name, *CHECKPOINTS[name])
        print(name, golden["n_params"], "parameters, noise", golden["f64_noise_max_abs"])
