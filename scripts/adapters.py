"""Makes tests/fixtures/adapters: LoRA adapters of random weights for checkpoints of tests/fixtures/arch, and golden.json with
the logits that PEFT computes with them in f32.

usage: python3 scripts/adapters.py        (needs torch, transformers, peft, safetensors, gguf)

Each folder is what PEFT's `save_pretrained` wrote. `llama/plain.gguf` holds the weights of `llama/plain` as llama.cpp's
`convert_lora_to_gguf.py` lays them out: GGUF's names, and rows of q's and k's B interleaved as those of the model are.
"""
import json
import os
import shutil

import gguf
import numpy
import peft
import torch
import transformers
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
ARCH = os.path.join(HERE, "..", "tests", "fixtures", "arch")
OUT = os.path.join(HERE, "..", "tests", "fixtures", "adapters")
LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

ADAPTERS = {
    "llama": {
        "plain": dict(r=4, lora_alpha=8, target_modules=LLAMA),
        "patterns": dict(
            r=3, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "v_proj", "up_proj", "lm_head"],
            rank_pattern={"v_proj": 5}, alpha_pattern={"layers.1.self_attn.q_proj": 2, "^lm_head": 1},
        ),
    },
    "phi3": {"fused": dict(r=5, lora_alpha=10, target_modules=["qkv_proj", "gate_up_proj", "down_proj"])},
    "gpt2": {"conv1d": dict(r=4, lora_alpha=4, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)},
}

# What is on, and how strongly, in order: other adapters, stacks, and back.
RUNS = {
    "llama": [
        {"plain": 1.0}, {"patterns": 1.0}, {"plain": 0.5, "patterns": -1.25}, {}, {"plain": 2.0, "patterns": 0.0}, {"plain": 0.5, "patterns": -1.25},
    ],
    "phi3": [{"fused": 1.0}, {"fused": -0.5}],
    "gpt2": [{"conv1d": 1.0}, {}],
}


def randomise(model, name, seed):
    """PEFT leaves B at zero: an adapter that changes nothing. These change logits by about as much as the model's own layers."""
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in model.named_parameters():
        if f"lora_A.{name}." in key or f"lora_B.{name}." in key:
            scale = 0.3 if "lora_A" in key else 0.2
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale


def set_scales(model, own, scales):
    """`own` is each layer's scaling as PEFT computed it: alpha / r, or with rsLoRA alpha / sqrt(r)."""
    names = [name for name, scale in scales.items() if scale != 0.0]
    if names:
        model.base_model.enable_adapter_layers()
        model.base_model.set_adapter(names)
    else:
        model.base_model.disable_adapter_layers()
    for module, scaling in own:
        module.scaling.update({name: scales[name] * scaling[name] for name in names if name in scaling})


def to_gguf(folder, path, config):
    tensors = load_file(os.path.join(folder, "adapter_model.safetensors"))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_string("general.name", "plain")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for key in sorted(tensors):
        module, part = key.removeprefix("base_model.model.").removesuffix(".weight").rsplit(".", 1)
        data = tensors[key].numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(module.rsplit(".", 1)[1])
        if part == "lora_B" and heads:
            # Two halves of a head become pairs side by side.
            data = data.reshape(heads, 2, data.shape[0] // heads // 2, data.shape[1]).swapaxes(1, 2).reshape(data.shape)
        name = names.get_name(module) + ".weight" + part.lower().replace("lora", ".lora")
        writer.add_tensor(name, numpy.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    torch.set_num_threads(1)
    shutil.rmtree(OUT, ignore_errors=True)
    os.umask(0o022)
    for arch, adapters in ADAPTERS.items():
        folder = os.path.join(ARCH, arch)
        golden = json.load(open(os.path.join(folder, "golden.json")))
        base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        model = None
        for seed, (name, options) in enumerate(adapters.items()):
            config = peft.LoraConfig(task_type="CAUSAL_LM", **options)
            if model is None:
                model = peft.PeftModel(base, config, adapter_name=name)
            else:
                model.add_adapter(name, config)
            randomise(model, name, 7 + seed)
        model.eval()
        for name in adapters:
            model.peft_config[name].base_model_name_or_path = arch
            model.save_pretrained(os.path.join(OUT, arch), selected_adapters=[name], save_embedding_layers=False)
            for folder in [os.path.join(OUT, arch), os.path.join(OUT, arch, name)]:
                readme = os.path.join(folder, "README.md")
                if os.path.exists(readme):
                    os.remove(readme)
        if arch == "llama":
            to_gguf(os.path.join(OUT, arch, "plain"), os.path.join(OUT, arch, "plain.gguf"), base.config)
        own = [(module, dict(module.scaling)) for module in model.modules() if isinstance(module, peft.tuners.lora.LoraLayer)]
        runs = []
        prompt = max((p["ids"] for p in golden["prompts"]), key=len)[:80]
        for scales in RUNS[arch]:
            set_scales(model, own, scales)
            with torch.no_grad():
                logits = model(torch.tensor([prompt])).logits[0]
                ids = list(prompt[:8])
                for _ in range(8):
                    ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            runs.append({
                "adapters": scales, "last_logits": logits[-1].tolist(), "top1": logits.argmax(-1).tolist(), "greedy": ids[8:],
                "top1_margin": [float(v) for v in (lambda t: t[:, 0] - t[:, 1])(logits.topk(2).values)],
            })
        for root, _, files in os.walk(os.path.join(OUT, arch)):
            for file in files:
                os.chmod(os.path.join(root, file), 0o644)
        record = {
            "model": arch, "peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__,
            "ids": prompt, "runs": runs,
        }
        with open(os.path.join(OUT, arch, "golden.json"), "w") as file:
            json.dump(record, file)
        spread = [max(abs(a - b) for a, b in zip(run["last_logits"], runs[-1]["last_logits"])) for run in runs]
        print(arch, len(prompt), "tokens; logits differ from the last run's by", spread)


main()
