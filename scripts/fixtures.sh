#!/bin/sh
# Copies the fixtures of the text and format tests from a folder of goldens into tests/fixtures, and writes
# tests/fixtures/README.md with where they come from.
#
# usage: scripts/fixtures.sh <goldens dir>
#   <goldens dir>/bad          malformed files and index.json
#   <goldens dir>/arch/<name>  tiny random checkpoints: config.json, *.safetensors, tokenizer.json, *.gguf, golden.json
#   <goldens dir>/quants       <TYPE>.bin: rows of 512 stored weights; <TYPE>.f32: the same dequantised
#   <goldens dir>/kquant_models  tiny models of 256 columns with all matrices in one format, and golden.json
#   <goldens dir>/real         goldens of SmolLM2-135M-Instruct.Q4_1.gguf, gemma-3-270m-q4_k_m.gguf and all-MiniLM-L6-v2
set -eu
from=$1
to=$(dirname "$0")/../tests/fixtures
rm -rf "$to/bad" "$to/arch" "$to/real" "$to/quants" "$to/kquant_models"
mkdir -p "$to/arch" "$to/real" "$to/quants"
cp -R "$from/bad" "$to/bad"
for arch in llama llama3 llama_bf16 mistral solar hyperclovax_seed \
    cohere cohere2 exaone exaone4 exaone4_64l gemma gemma2 gemma3 glm4 granite hyperclovax mistral_swa olmo olmo2 phi3 \
    phi3_longrope qwen2 qwen2_f16_sharded qwen3 smollm3 gpt_oss lfm2 mamba mixtral qwen2_moe qwen3_moe rwkv \
    bloom falcon gpt2 gpt_neox gptj opt phi stablelm starcoder2 \
    bert xlm_roberta t5 t5_v1 blenderbot; do
    cp -R "$from/arch/$arch" "$to/arch/$arch"
done
cp "$from"/real/smollm2-135m-instruct-q4_1*.json "$from"/real/gemma-3-270m-q4_k_m*.json "$from/real/all-minilm-l6-v2.json" "$to/real/"
for format in F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4 TQ1_0 TQ2_0; do
    cp "$from/quants/$format.bin" "$from/quants/$format.f32" "$to/quants/"
done
cp -R "$from/kquant_models" "$to/kquant_models"
rm -rf "$to/split" && mkdir "$to/split"
for arch in llama qwen2; do
    node "$(dirname "$0")/split-gguf.mjs" "$to/arch/$arch/model-f32.gguf" "$to/split/$arch"
done
chmod -R u+w "$to"
# Those that are made here, in Python with torch and transformers, and defaults.json.
python3 "$(dirname "$0")/arch-fixtures.py"

python3 - "$to" > "$to/README.md" <<'PY'
import json, os, sys
root = sys.argv[1]
print("""# Fixtures

Copied by `scripts/fixtures.sh`, never edited. None of the reference values was made by doran.

- `bad/`: malformed model files, written byte by byte; `index.json` says what each breaks and how it must end.
- `arch/<name>/`: checkpoints of random weights in Hugging Face's layout (`config.json` in the spelling of transformers 4,
  `config.v5.json` in that of transformers 5), most also as GGUF, with `golden.json`: logits and greedy tokens by
  transformers in f32, checked against llama.cpp, and token ids by both.
  `gpt_neo` and those that `scripts/arch-fixtures.py` lists besides are made by it, with switches that the others do not have.
- `defaults.json`: what transformers takes configurations for that leave keys out, by `scripts/arch-fixtures.py`.
- `adapters/<model>/`: LoRA adapters of random weights for `arch/<model>/`, written by PEFT 0.21.2 (`<name>/`) and in GGUF, and
  `golden.json`: logits and greedy tokens by PEFT with them, alone, scaled, stacked, and with none. Made by `scripts/adapters.py`.
- `quants/`: rows of 512 weights in each format, half of them random bits (`<TYPE>.bin`), and what ggml's own
  dequantisation makes of them (`<TYPE>.f32`; libggml-base of llama.cpp 0c1e57098, checked against gguf-py).
- `quantize/`: weights (`weights.f32`), and what gguf-py (Q8_0, Q4_0, Q5_0) and ggml (Q4_K, Q6_K; llama-cpp-python 0.3.36) quantise them
  to, by `scripts/quantize-fixtures.py`; `text.txt`, prose of this project, and `smollm2-variants.json` for `npm run test:long -- quantize`
  and `smollm2-quants`.
- `patterns.json`: where patterns of tokenizers match, by the crate `fancy-regex` (`UPDATE=1 cargo test patterns`).
- `kquant_models/`: random Llamas of one layer and 256 columns with all matrices in one format, and `golden.json`: logits by
  llama.cpp 0c1e57098 in f32 on the dequantised weights (`f32`; `native` is with quantised activations).
- `split/`: two of the checkpoints' GGUF files in three parts each, by `scripts/split-gguf.mjs`.
- `real/`: reference ids, chats and logits of `SmolLM2-135M-Instruct.Q4_1.gguf`, and 260 random strings with their ids; the same
  of `gemma-3-270m-q4_k_m.gguf`, for `npm run test:long -- gemma`; ids and embeddings of `all-MiniLM-L6-v2`, for `npm run
  test:long -- minilm`. The models themselves are not here: tests look for them in `$DORAN_MODELS` and in `.cache/models/`.

| checkpoint | model_type | tokenizer | transformers | torch | llama.cpp | verification |
| --- | --- | --- | --- | --- | --- | --- |""")
for arch in sorted(os.listdir(f"{root}/arch")):
    g = json.load(open(f"{root}/arch/{arch}/golden.json"))
    print("|", " | ".join([arch, g["model_type"], g["tokenizer_kind"], g["transformers"], g["torch"],
                          g.get("llama_cpp", {}).get("commit", "-"), g["verification"]]), "|")
g = json.load(open(f"{root}/real/smollm2-135m-instruct-q4_1.json"))
r = g["reference_f32"]
print(f"""
`{g['gguf']}`: {g['gguf_bytes']} bytes, SHA-256 `{g['gguf_sha256']}`. References: transformers {r['transformers']},
torch {r['torch']}, tokenizers {r['tokenizers']}; llama.cpp {g['reference_llama_cpp']['commit']}.""")
PY
