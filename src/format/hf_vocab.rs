//! Folders without a `tokenizer.json`: SentencePiece's `tokenizer.model`, and the `vocab.json` with `merges.txt` of byte-level BPE, become
//! a [`Vocabulary`]. What the files do not say, the class in `tokenizer_config.json` does, by transformers' defaults for it
//! (`tokenization_llama.py`, `tokenization_gemma.py`, `tokenization_t5.py`, `tokenization_xlm_roberta.py`, `tokenization_gpt2.py`,
//! `tokenization_qwen2.py`, `tokenization_roberta.py`). A class that is not known is refused, not guessed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Vocabulary;
use super::protobuf::{Field, fields};
use crate::error::{Error, ErrorKind, Result};

/// Piece types (`sentencepiece_model.proto`); llama.cpp's token types have the same numbers.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
/// Most ids of a vocabulary.
const TOKENS_MAX: usize = 4 << 20;
/// Most of T5's `<extra_id_…>`.
const EXTRA_IDS_MAX: u64 = 10_000;

/// What stands beside a vocabulary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// `tokenizer_config.json`.
    pub config: Option<&'a Map<String, Value>>,
    /// `added_tokens.json`: ids by text.
    pub added: Option<&'a Map<String, Value>>,
    /// The model's, which says the class where nobody else does.
    pub model_type: &'a str,
}

impl Beside<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.config?.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    /// The tokenizer's class, without the word for its fast form.
    fn class(&self) -> &str {
        let said = self.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default().trim_end_matches("Fast");
        match (said, self.model_type) {
            ("", "llama" | "mistral" | "mixtral" | "phi3") => "LlamaTokenizer",
            ("", "gemma" | "gemma2" | "gemma3" | "gemma3_text") => "GemmaTokenizer",
            ("", "t5") => "T5Tokenizer",
            ("", "xlm-roberta") => "XLMRobertaTokenizer",
            ("", "gpt2" | "gpt_neo" | "gptj" | "opt") => "GPT2Tokenizer",
            ("", "qwen2" | "qwen3") => "Qwen2Tokenizer",
            _ => said,
        }
    }

    /// The text of a special token, which is a string or an object.
    fn special<'v>(&'v self, name: &str, usual: &'v str) -> &'v str {
        let value = self.get(&format!("{name}_token"));
        value.and_then(|value| value.as_str().or(value.get("content")?.as_str())).unwrap_or(usual)
    }

    /// Tokens that were added to the vocabulary, by id, and whether they are special.
    fn added(&self) -> Result<BTreeMap<usize, (String, bool)>> {
        let mut added = BTreeMap::new();
        for (text, id) in self.added.into_iter().flatten() {
            let id = id.as_u64().ok_or_else(|| bad("added_tokens.json", "an id that is no number"))?;
            added.insert(id as usize, (text.clone(), true));
        }
        let decoder = self.get("added_tokens_decoder").and_then(Value::as_object);
        for (id, token) in decoder.into_iter().flatten() {
            let id = id.parse().map_err(|_| bad("tokenizer_config.json", "an added token whose id is no number"))?;
            let text = token.get("content").and_then(Value::as_str);
            let text = text.ok_or_else(|| bad("tokenizer_config.json", "an added token without content"))?;
            let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
            added.insert(id, (text.to_owned(), special));
        }
        Ok(added)
    }
}

fn bad(file: &str, what: &str) -> Error {
    Error::bad_file(format!("{file}: {what}"))
}

fn unknown_class(class: &str, file: &str) -> Error {
    let class = if class.is_empty() { "that is not named" } else { class };
    let message = format!("the class of tokenizers {class} is not known to read {file}; bring a tokenizer.json");
    Error::unsupported(format!("tokenizer {class} of a {file}"), message)
}

/// What `tokenizer.model` says.
///
/// # Errors
/// [`ErrorKind::BadFile`] for what is no model of SentencePiece's; [`ErrorKind::Unsupported`] (data: `what`) for a class of tokenizers,
/// or a kind of model, that is not known.
pub(super) fn sentence_piece(bytes: &[u8], beside: Beside<'_>) -> Result<Vocabulary> {
    let file = "tokenizer.model";
    let mut vocabulary = Vocabulary::default();
    // Unigrams where nothing is said.
    let mut model_type = 1;
    let mut add_dummy_prefix = true;
    for field in fields(bytes) {
        match field.map_err(|what| bad(file, what))? {
            (1, Field::Bytes(piece)) => {
                let (text, score, kind) = self::piece(piece)?;
                vocabulary.push(text, score, kind)?;
            }
            (2, Field::Bytes(trainer)) => {
                for field in fields(trainer) {
                    if let (3, Field::Varint(kind)) = field.map_err(|what| bad(file, what))? {
                        model_type = kind;
                    }
                }
            }
            (3, Field::Bytes(normalizer)) => {
                for field in fields(normalizer) {
                    match field.map_err(|what| bad(file, what))? {
                        (2, Field::Bytes(rules)) => vocabulary.charsmap = rules.to_vec(),
                        (3, Field::Varint(flag)) => add_dummy_prefix = flag != 0,
                        (4, Field::Varint(flag)) => vocabulary.remove_extra_whitespaces = Some(flag != 0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if vocabulary.tokens.is_empty() {
        return Err(bad(file, "there are no pieces in it"));
    }
    let class = beside.class();
    vocabulary.model = match (class, model_type) {
        ("LlamaTokenizer" | "CodeLlamaTokenizer" | "GemmaTokenizer", 2) => "llama",
        ("T5Tokenizer" | "XLMRobertaTokenizer", 1) => "t5",
        ("LlamaTokenizer" | "CodeLlamaTokenizer" | "GemmaTokenizer" | "T5Tokenizer" | "XLMRobertaTokenizer", other) => {
            let message = format!("{class} with a SentencePiece model of kind {other} is not known");
            return Err(Error::unsupported(format!("SentencePiece model {other}"), message));
        }
        _ => return Err(unknown_class(class, file)),
    }
    .to_owned();
    vocabulary.add_space_prefix = Some(beside.flag("add_prefix_space").unwrap_or(add_dummy_prefix));
    match class {
        "T5Tokenizer" => {
            let extra_ids = beside.get("extra_ids").and_then(Value::as_u64).unwrap_or(100).min(EXTRA_IDS_MAX);
            for id in (0..extra_ids).rev() {
                vocabulary.push(format!("<extra_id_{id}>"), 0.0, CONTROL)?;
            }
            vocabulary.stand_around(beside, None, Some("</s>"), "<unk>")?;
        }
        "XLMRobertaTokenizer" => {
            vocabulary.shift_as_fairseq()?;
            vocabulary.stand_around(beside, Some("<s>"), Some("</s>"), "<unk>")?;
        }
        _ => {
            // transformers does not normalise what these classes read.
            vocabulary.charsmap.clear();
            let [begin, end] = if class == "GemmaTokenizer" { ["<bos>", "<eos>"] } else { ["<s>", "</s>"] };
            let begin = beside.flag("add_bos_token").unwrap_or(true).then_some(begin);
            let end = beside.flag("add_eos_token").unwrap_or(false).then_some(end);
            vocabulary.stand_around(beside, begin, end, "<unk>")?;
        }
    }
    // Where a prefix goes before the first words only, and not after each special token.
    vocabulary.prefix_once = beside.flag("legacy") == Some(false);
    Ok(vocabulary)
}

/// A piece: its text, score and type.
fn piece(bytes: &[u8]) -> Result<(String, f32, i32)> {
    let (mut text, mut score, mut kind) = (String::new(), 0.0, NORMAL);
    for field in fields(bytes) {
        match field.map_err(|what| bad("tokenizer.model", what))? {
            (1, Field::Bytes(bytes)) => {
                let utf8 = std::str::from_utf8(bytes);
                utf8.map_err(|_| bad("tokenizer.model", "a piece that is no UTF-8"))?.clone_into(&mut text);
            }
            (2, Field::Fixed32(bits)) => score = f32::from_bits(bits),
            (3, Field::Varint(number)) => kind = i32::try_from(number).unwrap_or(NORMAL),
            _ => {}
        }
    }
    if !score.is_finite() {
        return Err(bad("tokenizer.model", "a piece whose score is no number"));
    }
    Ok((text, score, kind))
}

/// What `vocab.json` and `merges.txt` say.
///
/// # Errors
/// [`ErrorKind::BadFile`] for ids that are none, or that leave gaps; [`ErrorKind::Unsupported`] (data: `what`) for a class of tokenizers
/// that is not known.
pub(super) fn byte_level(vocab: &Map<String, Value>, merges: &str, beside: Beside<'_>) -> Result<Vocabulary> {
    let class = beside.class();
    let pre = match class {
        "GPT2Tokenizer" | "CodeGenTokenizer" | "RobertaTokenizer" | "BartTokenizer" => "gpt-2",
        "Qwen2Tokenizer" => "qwen2",
        _ => return Err(unknown_class(class, "vocab.json")),
    };
    if beside.flag("add_prefix_space") == Some(true) {
        let message = "add_prefix_space is not known without a tokenizer.json";
        return Err(Error::unsupported("add_prefix_space", message));
    }
    let mut vocabulary = Vocabulary { model: "gpt2".to_owned(), pre: Some(pre.to_owned()), ..Vocabulary::default() };
    let mut by_id = BTreeMap::new();
    for (text, id) in vocab {
        let id = id.as_u64().ok_or_else(|| bad("vocab.json", "an id that is no number"))?;
        by_id.insert(id, text);
    }
    for (id, text) in by_id {
        if id != vocabulary.tokens.len() as u64 {
            return Err(bad("vocab.json", &format!("there is no token {}", vocabulary.tokens.len())));
        }
        vocabulary.push(text.clone(), 0.0, NORMAL)?;
    }
    vocabulary.scores.clear();
    // The first line may say which version of the format it is.
    let lines = merges.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty());
    vocabulary.merges = lines.map(|line| line.trim_end_matches('\r').to_owned()).collect();
    match class {
        "RobertaTokenizer" | "BartTokenizer" => vocabulary.stand_around(beside, Some("<s>"), Some("</s>"), "<unk>")?,
        _ => {
            let begin = beside.flag("add_bos_token").unwrap_or(false).then_some("<|endoftext|>");
            vocabulary.stand_around(beside, begin, None, "<|endoftext|>")?;
        }
    }
    Ok(vocabulary)
}

impl Vocabulary {
    fn push(&mut self, text: String, score: f32, kind: i32) -> Result<()> {
        if self.tokens.len() >= TOKENS_MAX {
            return Err(Error::new(ErrorKind::Tokenizer, format!("the vocabulary has more than {TOKENS_MAX} tokens")));
        }
        self.tokens.push(text);
        self.scores.push(score);
        self.token_types.push(kind);
        Ok(())
    }

    /// Takes in the tokens that were added, and says which stand around a text: `begin` and `end` are how the class calls them.
    fn stand_around(
        &mut self,
        beside: Beside<'_>,
        begin: Option<&str>,
        end: Option<&str>,
        unknown: &str,
    ) -> Result<()> {
        let has_scores = !self.scores.is_empty();
        for (id, (text, special)) in beside.added()? {
            let kind = if special { CONTROL } else { USER_DEFINED };
            match self.tokens.get(id) {
                // The one for what is unknown is known as such by the model.
                Some(known) if *known == text => {
                    if self.token_types[id] != UNKNOWN {
                        self.token_types[id] = kind;
                    }
                }
                // Renamed, as unused ones are.
                Some(_) => (self.tokens[id], self.token_types[id]) = (text, kind),
                None if id == self.tokens.len() => {
                    self.push(text, 0.0, kind)?;
                    if !has_scores {
                        self.scores.clear();
                    }
                }
                None => return Err(bad("tokenizer_config.json", &format!("there is no token {}", self.tokens.len()))),
            }
        }
        let id_of = |tokens: &[String], text: &str| tokens.iter().rposition(|token| token == text).map(|id| id as u32);
        let mut specials = Vec::new();
        for (stem, name, usual) in [("bos", "bos", begin), ("eos", "eos", end), ("unknown", "unk", Some(unknown))] {
            let text = beside.special(name, usual.unwrap_or_default());
            match id_of(&self.tokens, text) {
                Some(id) => specials.push((stem.to_owned(), id)),
                None if stem != "unknown" && usual.is_some() => {
                    let message = format!("the vocabulary has no {text:?}, which is to stand around a text");
                    return Err(Error::new(ErrorKind::Tokenizer, message));
                }
                None => {}
            }
        }
        for (stem, id) in &specials {
            if stem != "unknown" {
                self.token_types[*id as usize] = CONTROL;
            }
        }
        self.special_ids = specials;
        (self.add_bos, self.add_eos) = (Some(begin.is_some()), Some(end.is_some()));
        Ok(())
    }

    /// Fairseq's order: four special tokens, the pieces without SentencePiece's three, and the mask.
    fn shift_as_fairseq(&mut self) -> Result<()> {
        let old = std::mem::take(self);
        let Self { model, charsmap, remove_extra_whitespaces, add_space_prefix, .. } = old;
        *self = Self { model, charsmap, remove_extra_whitespaces, add_space_prefix, ..Self::default() };
        for (text, kind) in [("<s>", CONTROL), ("<pad>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN)] {
            self.push(text.to_owned(), 0.0, kind)?;
        }
        let pieces = old.tokens.into_iter().zip(old.scores).zip(old.token_types).skip(3);
        for ((text, score), kind) in pieces {
            self.push(text, score, kind)?;
        }
        self.push("<mask>".to_owned(), 0.0, CONTROL)
    }
}
