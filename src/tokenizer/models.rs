//! The models of a `tokenizer.json`: byte-pair merges, word pieces, unigrams. What the crate `tokenizers` would trip over is
//! checked first.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::ModelWrapper;
use tokenizers::models::bpe::{Merges, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;

use super::failed;
use super::json::{IDS_MAX, invalid};
use crate::error::{Error, Result};

/// What the crate builds word pieces from.
pub(super) type WordPieceVocab = Vocab;

/// Most characters of a word that may be looked at: finding its pieces takes time quadratic in them.
const WORD_CHARS_MAX: usize = 10_000;

/// A model, and what decoding needs of it.
pub(super) struct Model {
    pub model: ModelWrapper,
    /// Texts by id.
    pub texts: HashMap<u32, String>,
    /// What stands for what is unknown.
    pub unk_token: Option<String>,
    pub n_merges: usize,
}

/// Reads the model of a `tokenizer.json`. Files of before models had types are told apart by what they have.
///
/// # Errors
/// [`crate::ErrorKind::Tokenizer`] for a model that contradicts itself; [`crate::ErrorKind::Unsupported`] for one that is not
/// known (data: `what`).
pub(super) fn read(text: &str) -> Result<Model> {
    let kind: Kind = part(text)?;
    let untyped = match kind {
        Kind { scores_unknown: Some(_), .. } => "Unigram",
        Kind { word_chars: Some(_), .. } => "WordPiece",
        _ => "BPE",
    };
    match kind.kind.as_deref().unwrap_or(untyped) {
        "BPE" => bpe(part(text)?),
        "WordPiece" => word_piece(part(text)?),
        "Unigram" => unigram(part(text)?),
        kind => Err(Error::unsupported(format!("tokenizer {kind}"), format!("tokenizer model {kind:?} is not known"))),
    }
}

fn part<M: DeserializeOwned>(text: &str) -> Result<M> {
    #[derive(Deserialize)]
    struct File<M> {
        model: M,
    }
    let file: File<M> = serde_json::from_str(text).map_err(failed)?;
    Ok(file.model)
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "unk_id")]
    scores_unknown: Option<u32>,
    #[serde(rename = "max_input_chars_per_word")]
    word_chars: Option<u32>,
}

#[derive(Deserialize)]
struct Bpe {
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: HashMap<String, u32>,
    merges: MergeList,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MergeList {
    Pairs(Vec<(String, String)>),
    Lines(Vec<String>),
}

#[derive(Deserialize)]
struct WordPieces {
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, u32>,
}

#[derive(Deserialize)]
struct Unigrams {
    unk_id: Option<usize>,
    vocab: Vec<(String, f64)>,
    #[serde(default)]
    byte_fallback: bool,
}

/// Texts by id.
fn texts(vocab: &HashMap<String, u32>, unk_token: Option<&String>) -> Result<HashMap<u32, String>> {
    if let Some(unk) = unk_token.filter(|unk| !vocab.contains_key(*unk)) {
        return Err(invalid(format!("the unknown token {unk:?} is not in the vocabulary")));
    }
    let mut texts = HashMap::with_capacity(vocab.len());
    for (text, id) in vocab {
        if *id >= IDS_MAX {
            return Err(invalid(format!("token id {id} is larger than any vocabulary")));
        }
        if texts.insert(*id, text.clone()).is_some() {
            return Err(invalid(format!("two tokens have id {id}")));
        }
    }
    Ok(texts)
}

/// Merges are checked first: the crate indexes out of bounds on some.
fn bpe(model: Bpe) -> Result<Model> {
    let texts = texts(&model.vocab, model.unk_token.as_ref())?;
    let merges: Merges = match model.merges {
        MergeList::Pairs(pairs) => pairs,
        MergeList::Lines(lines) => lines
            .iter()
            .filter(|line| !line.starts_with("#version"))
            .map(|line| match line.split_once(' ') {
                Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
                _ => Err(invalid(format!("merge {line:?} is not two tokens"))),
            })
            .collect::<Result<_>>()?,
    };
    let prefix = model.continuing_subword_prefix.clone().unwrap_or_default();
    for (left, right) in &merges {
        let whole = right.strip_prefix(prefix.as_str()).map(|right| [left, right].concat());
        let known = whole.is_some_and(|whole| model.vocab.contains_key(&whole));
        if !known || !model.vocab.contains_key(left) || !model.vocab.contains_key(right) {
            return Err(invalid(format!("merge {left:?} {right:?} is not made of tokens of the vocabulary")));
        }
    }
    let n_merges = merges.len();
    let mut builder = super::bpe(model.vocab.into_iter().collect::<Vocab>(), merges)
        .fuse_unk(model.fuse_unk)
        .byte_fallback(model.byte_fallback)
        .ignore_merges(model.ignore_merges);
    if let Some(unk) = &model.unk_token {
        builder = builder.unk_token(unk.clone());
    }
    // Two older tokenizers write "" for none.
    if !prefix.is_empty() {
        builder = builder.continuing_subword_prefix(prefix);
    }
    if let Some(suffix) = model.end_of_word_suffix.filter(|suffix| !suffix.is_empty()) {
        builder = builder.end_of_word_suffix(suffix);
    }
    let model_of = builder.build().map_err(failed)?.into();
    Ok(Model { model: model_of, texts, unk_token: model.unk_token, n_merges })
}

fn word_piece(model: WordPieces) -> Result<Model> {
    let WordPieces { unk_token, continuing_subword_prefix, max_input_chars_per_word, vocab } = model;
    let texts = texts(&vocab, Some(&unk_token))?;
    if max_input_chars_per_word > WORD_CHARS_MAX {
        return Err(invalid(format!("words of {max_input_chars_per_word} characters are longer than any")));
    }
    let model = WordPiece::builder()
        .vocab(vocab.into_iter().collect::<WordPieceVocab>())
        .unk_token(unk_token.clone())
        .continuing_subword_prefix(continuing_subword_prefix)
        .max_input_chars_per_word(max_input_chars_per_word)
        .build();
    Ok(Model { model: model.map_err(failed)?.into(), texts, unk_token: Some(unk_token), n_merges: 0 })
}

fn unigram(model: Unigrams) -> Result<Model> {
    let Unigrams { unk_id, vocab, byte_fallback } = model;
    if vocab.len() > IDS_MAX as usize {
        return Err(invalid(format!("a vocabulary of {} pieces is larger than any", vocab.len())));
    }
    let texts: HashMap<u32, String> = (0u32..).zip(vocab.iter().map(|(text, _)| text.clone())).collect();
    let unk_token = unk_id.and_then(|id| Some(vocab.get(id)?.0.clone()));
    Ok(Model { model: unigrams(vocab, unk_id, byte_fallback)?.into(), texts, unk_token, n_merges: 0 })
}

/// Unigrams (Kudo 2018), without the crate's cache of texts.
pub(super) fn unigrams(vocab: Vec<(String, f64)>, unk_id: Option<usize>, byte_fallback: bool) -> Result<Unigram> {
    let mut model = Unigram::from(vocab, unk_id, byte_fallback).map_err(failed)?;
    model.resize_cache(0);
    Ok(model)
}
