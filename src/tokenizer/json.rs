//! A tokenizer from `tokenizer.json`.
//!
//! The crate `tokenizers` trusts its input: some files make it panic or change ids. So the file is read here, checked, and
//! its parts are handed over one by one. `models.rs` reads what the file calls its model.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::utils::SysRegex;
use tokenizers::{AddedToken, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use super::models::{self, Parts};
use super::pieces::{Pieces, Style, byte_token};
use super::{Inner, SPACE, Tokenizer, charsmap, failed};
use crate::error::{Error, ErrorKind, Result};

/// Longest `tokenizer.json`, in bytes. Vocabularies of 256 k tokens take 33 MiB in the spelling with spaces.
const FILE_BYTES_MAX: usize = 64 << 20;
/// How much of a pattern an error shows.
const PATTERN_CHARS_SHOWN: usize = 200;
/// Ids must be below this: a vocabulary's tables are as long as its largest id.
pub(super) const IDS_MAX: u32 = 1 << 20;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

/// Builds the tokenizer.
///
/// # Errors
/// [`ErrorKind::Tokenizer`] for a file that is no tokenizer or contradicts itself; [`ErrorKind::Unsupported`] for a model or
/// a step that is not known (data: `what`).
pub(super) fn build(text: &str) -> Result<Tokenizer> {
    if text.len() > FILE_BYTES_MAX {
        return Err(invalid(format!("tokenizer.json is longer than {FILE_BYTES_MAX} bytes")));
    }
    let File { mut added_tokens, normalizer, pre_tokenizer, post_processor, decoder } =
        serde_json::from_str(text).map_err(failed)?;
    let Parts { model, texts, unk_token, n_merges } = models::read(text)?;
    let style = style(decoder.as_ref())?;
    let mut inner = Inner::new(model);
    if let Some(value) = normalizer {
        check_steps(&value, NORMALIZERS)?;
        let step: NormalizerWrapper = serde_json::from_value(value).map_err(failed)?;
        inner.with_normalizer(Some(step)).map_err(failed)?;
    }
    if let Some(value) = pre_tokenizer {
        check_steps(&value, PRE_TOKENIZERS)?;
        let step: PreTokenizerWrapper = serde_json::from_value(value).map_err(failed)?;
        inner.with_pre_tokenizer(Some(step));
    }
    if let Some(value) = post_processor {
        check_steps(&value, POST_PROCESSORS)?;
        let step: PostProcessorWrapper = serde_json::from_value(value).map_err(failed)?;
        inner.with_post_processor(Some(step));
    }

    added_tokens.sort_unstable_by_key(|added| added.id);
    inner.add_tokens(added_tokens.iter().map(|added| added.token.clone())).map_err(failed)?;
    for Added { id, token } in &added_tokens {
        // The crate numbers added tokens itself: a gap would shift all that follow.
        if *id >= IDS_MAX || inner.token_to_id(&token.content) != Some(*id) {
            return Err(invalid(format!("added token {:?} cannot have id {id}", token.content)));
        }
    }

    let added: HashMap<u32, &AddedToken> = added_tokens.iter().map(|added| (added.id, &added.token)).collect();
    let n_ids = texts.keys().chain(added.keys()).max().map_or(0, |max| max + 1);
    let has_bytes = matches!(style, Style::SentencePiece { .. });
    let mut pieces = Pieces::new(style);
    for id in 0..n_ids {
        match (added.get(&id), texts.get(&id)) {
            (Some(token), _) if token.special => pieces.push_special(&token.content),
            (Some(token), _) => pieces.push_added(&token.content),
            (None, Some(text)) if unk_token.as_ref() == Some(text) => pieces.push_special(text),
            (None, Some(text)) if has_bytes && byte_token(text).is_some() => pieces.push_byte(text),
            (None, Some(text)) => pieces.push(text),
            (None, None) => pieces.push(""),
        }
    }
    // What the post-processor adds to a text, it adds to an empty one.
    let special = inner.encode_fast("", true).map_err(failed)?;
    if let Some(id) = special.get_ids().iter().find(|id| **id >= n_ids) {
        return Err(invalid(format!("the post-processor adds id {id}, which is outside the vocabulary of {n_ids}")));
    }
    Ok(Tokenizer { inner, pieces, prefix: None, suffix: None, post_processor: true, n_merges })
}

const NORMALIZERS: &[&str] = &[
    "Sequence",
    "Prepend",
    "Replace",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Lowercase",
    "Strip",
    "StripAccents",
    "BertNormalizer",
    "ByteLevel",
    "Nmt",
    "Precompiled",
];
const PRE_TOKENIZERS: &[&str] = &[
    "Sequence",
    "ByteLevel",
    "Split",
    "Digits",
    "Metaspace",
    "Punctuation",
    "Whitespace",
    "WhitespaceSplit",
    "BertPreTokenizer",
];
const POST_PROCESSORS: &[&str] =
    &["Sequence", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"];

/// The steps inside a `Sequence`, under whichever name each part of the file uses.
fn children(value: &Value) -> impl Iterator<Item = &Value> {
    ["normalizers", "pretokenizers", "processors", "decoders"]
        .iter()
        .filter_map(|key| value.get(key)?.as_array())
        .flatten()
}

/// Refuses steps that are not known, and patterns that match nothing: replacing those never ends or panics.
fn check_steps(value: &Value, known: &[&str]) -> Result<()> {
    // `serde_json` read this with its depth limit of 128; the stack of values is as deep.
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or("without a type");
        if !known.contains(&kind) {
            return Err(Error::unsupported(
                format!("tokenizer step {kind}"),
                format!("tokenizer.json has a step {kind:?}, which is not known"),
            ));
        }
        if kind == "Precompiled" {
            let rules = value.get("precompiled_charsmap").and_then(Value::as_str);
            charsmap::check_base64(rules.ok_or_else(|| invalid("a Precompiled step has no rules".to_owned()))?)?;
        }
        if kind == "TemplateProcessing" {
            check_template(value)?;
        }
        if let Some(pattern) = value.get("pattern") {
            let literal = pattern.get("String").and_then(Value::as_str);
            let regex = pattern.get("Regex").and_then(Value::as_str);
            let matches_nothing = match (literal, regex) {
                (Some(text), _) => text.is_empty(),
                (None, Some(regex)) => {
                    let compiled = compiled(regex)?;
                    kind == "Replace" && matches_empty(&compiled)
                }
                (None, None) => false,
            };
            if matches_nothing {
                return Err(invalid(format!("a {kind} step has a pattern that matches the empty text")));
            }
        }
        todo.extend(children(value));
    }
    Ok(())
}

/// Refuses a template for one text that names a second, or a special token that the step does not have.
fn check_template(step: &Value) -> Result<()> {
    let tokens = |id: &Value| {
        let token = step.get("special_tokens")?.get(id.as_str()?)?;
        Some((token.get("ids")?.as_array()?.len(), token.get("tokens")?.as_array()?.len()))
    };
    let is_right = |piece: &Value| match (piece.pointer("/Sequence/id"), piece.pointer("/SpecialToken/id")) {
        (Some(id), None) => id == "A",
        (None, Some(id)) => tokens(id).is_some_and(|(ids, tokens)| ids == tokens),
        _ => false,
    };
    match step.get("single").and_then(Value::as_array) {
        Some(pieces) if pieces.iter().all(is_right) => Ok(()),
        _ => Err(invalid("a TemplateProcessing step contradicts itself".to_owned())),
    }
}

/// A pattern, if it is one that is matched in time in proportion to the text (`crates/regex/src/cost.rs`).
fn compiled(regex: &str) -> Result<SysRegex> {
    SysRegex::new(regex).map_err(|error| {
        let named: String = regex.chars().take(PATTERN_CHARS_SHOWN).collect();
        invalid(format!("tokenizer.json has a pattern that is not matched here: {error}: {named:?}"))
            .with("pattern", named)
    })
}

/// Whether a pattern matches an empty stretch of some everyday text.
fn matches_empty(regex: &SysRegex) -> bool {
    let probes = ["", " ", "a", "1", ".", "\n", "a b  c\n\n1,234.5 Don't—가나 éA\t"];
    probes.iter().any(|probe| regex.find_iter(probe).any(|(start, end)| start == end))
}

/// How the decoder turns tokens into text.
fn style(decoder: Option<&Value>) -> Result<Style> {
    let unknown = || {
        let named = decoder.and_then(|d| d.get("type")).and_then(Value::as_str).unwrap_or("null");
        Error::unsupported(
            format!("decoder {named}"),
            format!("tokenizer.json has a decoder {named:?}, which is not known"),
        )
    };
    let decoder = decoder.ok_or_else(unknown)?;
    let kind = |step: &Value| step.get("type").and_then(Value::as_str).map(str::to_owned);
    match kind(decoder).as_deref() {
        Some("ByteLevel") => Ok(Style::ByteLevel),
        Some("Metaspace") => {
            let never = decoder.get("prepend_scheme").and_then(Value::as_str) == Some("never")
                || decoder.get("add_prefix_space").and_then(Value::as_bool) == Some(false);
            Ok(Style::SentencePiece { strip_first_space: !never })
        }
        Some("WordPiece") => match decoder.get("prefix").and_then(Value::as_str) {
            Some("##") => {
                Ok(Style::WordPiece { cleanup: decoder.get("cleanup").and_then(Value::as_bool) != Some(false) })
            }
            prefix => Err(Error::unsupported(
                format!("decoder WordPiece with the prefix {prefix:?}"),
                format!("tokenizer.json has a decoder for the prefix {prefix:?}, which is not known"),
            )),
        },
        Some("Sequence") => {
            let mut strip_first_space = false;
            let mut space = false;
            for step in children(decoder) {
                match kind(step).as_deref() {
                    Some("ByteLevel") => return Ok(Style::ByteLevel),
                    Some("Replace") => {
                        let from = step.pointer("/pattern/String").and_then(Value::as_str);
                        space |= from == Some(SPACE) && step.get("content").and_then(Value::as_str) == Some(" ");
                    }
                    Some("Strip") => {
                        let number = |key| step.get(key).and_then(Value::as_u64).unwrap_or(0);
                        let content = step.get("content").and_then(Value::as_str);
                        if content != Some(" ") || number("start") > 1 || number("stop") > 0 {
                            return Err(unknown());
                        }
                        strip_first_space = number("start") == 1;
                    }
                    Some("ByteFallback" | "Fuse") => {}
                    _ => return Err(unknown()),
                }
            }
            if space { Ok(Style::SentencePiece { strip_first_space }) } else { Err(unknown()) }
        }
        _ => Err(unknown()),
    }
}

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Tokenizer, message)
}
