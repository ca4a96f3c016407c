//! GGUF's `tokenizer.*` keys: the vocabulary with its lengths checked, and which ids end an answer.

use super::container::Array;
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::format::{GenerationConfig, Vocabulary};

/// Most tokens of a vocabulary; the largest published ones have 262 144.
const TOKENS_MAX: u64 = 1 << 20;

/// `llama_token_type` of tokens that are never text: begin of turn, end of text, …
const TYPE_CONTROL: i32 = 3;
/// `llama_token_type` of tokens that a fine-tune added.
const TYPE_USER_DEFINED: i32 = 4;

/// Texts that end an answer wherever a vocabulary has them as a special token. GGUF states one or two such ids, while many
/// models know more (llama.cpp `llama-vocab.cpp`, `special_eog_ids`).
const END_OF_ANSWER: &[&str] = &[
    "</s>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<EOT>",
    "_<EOT>",
    "<｜end▁of▁sentence｜>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// Key stems of single special tokens: `tokenizer.ggml.{stem}_token_id`.
const SPECIAL: &[&str] = &["bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "cls"];

/// Reads the vocabulary.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`] if it is missing, too large, or its arrays differ in length (data: `key`).
#[inline(never)] // It loops over all tokens: see src/tokenizer/vocabulary.rs.
pub(super) fn tokenizer(meta: &Metadata<'_>) -> Result<Vocabulary> {
    let model_key = "tokenizer.ggml.model";
    let model = meta.str(model_key)?.ok_or_else(|| Metadata::missing(model_key))?.to_owned();
    let tokens_key = "tokenizer.ggml.tokens";
    let tokens = meta.array(tokens_key)?.ok_or_else(|| Metadata::missing(tokens_key))?;
    let n_tokens = tokens.len();
    if n_tokens == 0 || n_tokens > TOKENS_MAX {
        return Err(Error::bad_file(format!("a vocabulary of {n_tokens} tokens: 1 to {TOKENS_MAX} are allowed")));
    }
    let per_token = |key: &str| -> Result<Option<Array<'_>>> {
        let array = meta.array(key)?;
        if let Some(array) = &array
            && array.len() != n_tokens
        {
            let message = format!("{key} has {} entries for {n_tokens} tokens", array.len());
            return Err(Error::bad_file(message).with("key", key));
        }
        Ok(array)
    };
    let wrong = |key: &str| Error::bad_file(format!("{key} holds the wrong type")).with("key", key);
    let strings = |key: &str, array: Array<'_>| -> Result<Vec<String>> {
        Ok(array.strings().ok_or_else(|| wrong(key))?.map(str::to_owned).collect())
    };
    let scores_key = "tokenizer.ggml.scores";
    let scores = per_token(scores_key)?.map(|a| a.f32s().ok_or_else(|| wrong(scores_key))).transpose()?;
    if scores.iter().flatten().any(|score| score.is_nan()) {
        return Err(Error::bad_file(format!("{scores_key} holds NaN")).with("key", scores_key));
    }
    let types_key = "tokenizer.ggml.token_type";
    let token_types = per_token(types_key)?.map(|a| a.i32s().ok_or_else(|| wrong(types_key))).transpose()?;
    let merges_key = "tokenizer.ggml.merges";
    let merges = meta.array(merges_key)?.map(|a| strings(merges_key, a)).transpose()?;

    let rules_key = "tokenizer.ggml.precompiled_charsmap";
    let charsmap = meta.array(rules_key)?.map(|a| a.bytes().ok_or_else(|| wrong(rules_key))).transpose()?;

    let mut special_ids = Vec::new();
    for stem in SPECIAL {
        // An id outside the vocabulary is left out: published files have such, and nothing needs it.
        match meta.u32(&format!("tokenizer.ggml.{stem}_token_id"))? {
            Some(id) if u64::from(id) < n_tokens => special_ids.push(((*stem).to_owned(), id)),
            _ => {}
        }
    }
    if model == "llama" {
        // SentencePiece's own ids, where a file does not state them (llama.cpp `llama-vocab.cpp`, `LLAMA_VOCAB_TYPE_SPM`).
        for (stem, id) in [("bos", 1), ("eos", 2), ("unknown", 0)] {
            if n_tokens > 2 && !special_ids.iter().any(|(have, _)| have == stem) {
                special_ids.push((stem.to_owned(), id));
            }
        }
    }
    Ok(Vocabulary {
        model,
        pre: meta.str("tokenizer.ggml.pre")?.map(str::to_owned),
        tokens: strings(tokens_key, tokens)?,
        scores: scores.unwrap_or_default(),
        token_types: token_types.unwrap_or_default(),
        merges: merges.unwrap_or_default(),
        special_ids,
        add_bos: meta.bool("tokenizer.ggml.add_bos_token")?,
        add_eos: meta.bool("tokenizer.ggml.add_eos_token")?,
        add_space_prefix: meta.bool("tokenizer.ggml.add_space_prefix")?,
        remove_extra_whitespaces: meta.bool("tokenizer.ggml.remove_extra_whitespaces")?,
        lowercase: meta.bool("tokenizer.ggml.normalizer.lowercase")?,
        charsmap: charsmap.unwrap_or_default(),
        prefix_once: false,
    })
}

/// How a text's rows become one: `llama_pooling_type` (llama.cpp `llama.h`).
pub(super) fn pooling(kind: Option<u32>) -> Option<String> {
    let name = match kind? {
        0 => return None,
        1 => "mean",
        2 => "cls",
        3 => "lasttoken",
        other => return Some(format!("of type {other}")),
    };
    Some(name.to_owned())
}

/// Which id starts a text and which end an answer.
pub(super) fn generation(tokenizer: &Vocabulary) -> GenerationConfig {
    let special = |stem: &str| tokenizer.special_ids.iter().find(|(have, _)| have == stem).map(|(_, id)| *id);
    let mut eos_token_ids: Vec<u32> = ["eos", "eot", "eom"].iter().filter_map(|stem| special(stem)).collect();
    let mut found: Vec<(&str, u32)> = Vec::new();
    for ((id, text), kind) in (0u32..).zip(&tokenizer.tokens).zip(&tokenizer.token_types) {
        if matches!(*kind, TYPE_CONTROL | TYPE_USER_DEFINED) && END_OF_ANSWER.contains(&text.as_str()) {
            // Of two tokens of one text the later one counts.
            found.retain(|(other, _)| other != text);
            found.push((text, id));
        }
    }
    // gpt-oss ends a message, not an answer, with <|end|> (llama.cpp `llama-vocab.cpp`).
    let has = |text: &str| found.iter().any(|(other, _)| *other == text);
    if has("<|return|>") && has("<|call|>") {
        found.retain(|(text, _)| *text != "<|end|>");
    }
    eos_token_ids.extend(found.into_iter().map(|(_, id)| id));
    eos_token_ids.sort_unstable();
    eos_token_ids.dedup();
    GenerationConfig { bos_token_id: special("bos"), eos_token_ids, decoder_start_token_id: None }
}
