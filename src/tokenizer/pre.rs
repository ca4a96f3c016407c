//! Pre-tokenizers by the name that a GGUF file gives them: where text is cut before byte-pair merges begin.
//!
//! The names are llama.cpp's (`llama-vocab.cpp`, `LLAMA_VOCAB_PRE_TYPE_*`); each pattern is that of the `tokenizer.json`
//! of the models that carry the name. Several patterns cut one after the other, each inside the pieces of the last.

/// How one family of byte-level vocabularies cuts text.
pub(super) struct Pre {
    /// Names in `tokenizer.ggml.pre`.
    names: &'static [&'static str],
    /// Patterns, applied in order; matches and what lies between them become pieces.
    pub splits: &'static [&'static str],
    /// A piece that is a token as a whole is not merged (`ignore_merges` in `tokenizer.json`).
    pub ignore_merges: bool,
    /// Whether texts start with the BOS token where the file does not say.
    pub add_bos: bool,
}

/// GPT-2 (`encoder.py` of openai/gpt-2).
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// One digit a piece.
const DIGIT: &str = r"\p{N}";
/// Llama 3: contractions in any case, up to three digits a piece, newlines with the punctuation before them.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2: Llama 3 with one digit a piece.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o (`o200k_base` of openai/tiktoken).
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Mistral's Tekken: GPT-4o without contractions, one digit a piece.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const PLAIN: Pre = Pre { names: &[], splits: &[], ignore_merges: false, add_bos: false };

const PRES: &[Pre] = &[
    Pre {
        names: &[
            "gpt-2",
            "gpt2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "gigachat",
            "mellum",
            "exaone4",
            "trillion",
            "a.x-4.0",
            "granite-docling",
        ],
        splits: &[GPT2],
        ..PLAIN
    },
    Pre {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        splits: &[DIGIT, GPT2],
        ..PLAIN
    },
    Pre {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
        splits: &[LLAMA3],
        ignore_merges: true,
        add_bos: true,
    },
    Pre { names: &["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], splits: &[LLAMA3], ..PLAIN },
    Pre {
        names: &["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2", "kormo"],
        splits: &[QWEN2],
        ..PLAIN
    },
    Pre { names: &["gpt-4o", "llama4"], splits: &[GPT4O], ..PLAIN },
    Pre { names: &["tekken"], splits: &[TEKKEN], ignore_merges: true, add_bos: true },
    // llama.cpp's choice for files that name none: those of before April 2024.
    Pre { names: &["default"], splits: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"], ..PLAIN },
];

/// The pre-tokenizer of this name.
pub(super) fn find(name: &str) -> Option<&'static Pre> {
    PRES.iter().find(|pre| pre.names.contains(&name))
}
