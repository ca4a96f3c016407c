//! What cuts words into pieces: byte-pair merges, word pieces, unigrams, as the crate `tokenizers` takes them; and how a
//! `tokenizer.json` has them. What the crate would trip over is checked first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::{AddedToken, Token};

use super::failed;
use super::json::{IDS_MAX, invalid};
use super::unigram::Unigram;
use crate::error::{Error, Result};

/// What the crate builds word pieces from.
pub(super) type WordPieceVocab = Vocab;

/// Most characters of a word that may be looked at: finding its pieces takes time quadratic in them.
const WORD_CHARS_MAX: usize = 10_000;

/// One of the models.
#[derive(Clone, Debug)]
pub(super) enum Model {
    Bpe(BPE),
    WordPiece(WordPiece),
    Unigram(Unigram),
}

impl tokenizers::Model for Model {
    type Trainer = Untrained;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Self::Bpe(model) => model.tokenize(text),
            Self::WordPiece(model) => model.tokenize(text),
            Self::Unigram(model) => Ok(model.tokenize(text)?),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Bpe(model) => model.token_to_id(token),
            Self::WordPiece(model) => model.token_to_id(token),
            Self::Unigram(model) => model.id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Bpe(model) => model.id_to_token(id),
            Self::WordPiece(model) => model.id_to_token(id),
            Self::Unigram(model) => model.text(id).map(str::to_owned),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Bpe(model) => model.get_vocab(),
            Self::WordPiece(model) => model.get_vocab(),
            Self::Unigram(model) => {
                (0..model.len() as u32).filter_map(|id| Some((model.text(id)?.to_owned(), id))).collect()
            }
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Bpe(model) => model.get_vocab_size(),
            Self::WordPiece(model) => model.get_vocab_size(),
            Self::Unigram(model) => model.len(),
        }
    }

    fn save(&self, _: &Path, _: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        Err("models are read, and not written".into())
    }

    fn get_trainer(&self) -> Untrained {
        Untrained
    }
}

/// The crate wants a model to name what trains it.
pub(super) struct Untrained;

impl tokenizers::tokenizer::Trainer for Untrained {
    type Model = Model;

    fn should_show_progress(&self) -> bool {
        false
    }

    fn train(&self, _: &mut Model) -> tokenizers::Result<Vec<AddedToken>> {
        Err("models are read, and not trained".into())
    }

    fn feed<I, S, F>(&mut self, _: I, _: F) -> tokenizers::Result<()>
    where
        I: Iterator<Item = S> + Send,
        S: AsRef<str> + Send,
        F: Fn(&str) -> tokenizers::Result<Vec<String>> + Sync,
    {
        Err("models are read, and not trained".into())
    }
}

/// A model of a `tokenizer.json`, and what decoding needs of it.
pub(super) struct Parts {
    pub model: Model,
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
pub(super) fn read(text: &str) -> Result<Parts> {
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
    unk_id: Option<u32>,
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
fn bpe(model: Bpe) -> Result<Parts> {
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
    let bpe = Model::Bpe(builder.build().map_err(failed)?);
    Ok(Parts { model: bpe, texts, unk_token: model.unk_token, n_merges })
}

fn word_piece(model: WordPieces) -> Result<Parts> {
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
    Ok(Parts { model: Model::WordPiece(model.map_err(failed)?), texts, unk_token: Some(unk_token), n_merges: 0 })
}

fn unigram(model: Unigrams) -> Result<Parts> {
    let Unigrams { unk_id, vocab, byte_fallback } = model;
    if vocab.len() > IDS_MAX as usize {
        return Err(invalid(format!("a vocabulary of {} pieces is larger than any", vocab.len())));
    }
    let texts: HashMap<u32, String> = (0u32..).zip(vocab.iter().map(|(text, _)| text.clone())).collect();
    if let Some(id) = unk_id.filter(|id| *id as usize >= vocab.len()) {
        return Err(invalid(format!("the unknown piece {id} is not in the vocabulary")));
    }
    let unk_token = unk_id.and_then(|id| Some(vocab.get(id as usize)?.0.clone()));
    let model = Model::Unigram(Unigram::new(&vocab, unk_id, byte_fallback));
    Ok(Parts { model, texts, unk_token, n_merges: 0 })
}
