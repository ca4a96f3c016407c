//! BERT's tokenizer (Devlin et al. 2018; Schuster & Nakajima 2012) from what is no `tokenizer.json`: `vocab.txt`, and GGUF's
//! vocabulary. A text is cleaned, and in lower case mostly; cut at spaces and punctuation; and each word is taken as the longest
//! piece that begins it, then the longest that goes on, …

use serde_json::{Map, Value};
use tokenizers::AddedToken;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::models::Model;
use super::pieces::{Pieces, Style};
use super::{Inner, SPACE, Tokenizer, failed};
use crate::error::{Error, Result};
use crate::format::Vocabulary;

/// Longer words are unknown (transformers `tokenization_bert.py`, and `tokenizers`).
const WORD_CHARS_MAX: usize = 100;

/// How a text is cleaned.
struct Cleaning {
    lowercase: bool,
    /// By default where texts are put into lower case.
    strip_accents: Option<bool>,
    split_chinese: bool,
}

/// Builds the tokenizer of a `vocab.txt`, one piece a line, and of the `tokenizer_config.json` beside it.
///
/// # Errors
/// [`crate::ErrorKind::Unsupported`] for a class of tokenizers that is not BERT's; [`crate::ErrorKind::Tokenizer`] for a
/// vocabulary without the pieces that stand around a text.
pub(super) fn from_vocab(vocab: &str, config: Option<&Map<String, Value>>) -> Result<Tokenizer> {
    let get = |key: &str| config.and_then(|config| config.get(key)).filter(|value| !value.is_null());
    let class = get("tokenizer_class").and_then(Value::as_str).unwrap_or("BertTokenizer");
    if !["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"].contains(&class.trim_end_matches("Fast")) {
        return Err(Error::unsupported(
            format!("tokenizer {class} of a vocab.txt"),
            format!("a vocab.txt of {class} is not known; bring a tokenizer.json"),
        ));
    }
    let flag = |key: &str| get(key).and_then(Value::as_bool);
    let cleaning = Cleaning {
        lowercase: flag("do_lower_case").unwrap_or(true),
        strip_accents: flag("strip_accents"),
        split_chinese: flag("tokenize_chinese_chars").unwrap_or(true),
    };
    let tokens: Vec<String> = vocab.lines().map(|line| line.trim_end().to_owned()).collect();
    let special = |stem: &str, usual: &str| {
        let value = get(&format!("{stem}_token"));
        let text = value.and_then(|value| value.as_str().or(value.get("content")?.as_str())).unwrap_or(usual);
        let id = tokens.iter().rposition(|token| token == text);
        id.ok_or_else(|| failed(format!("the vocabulary has no {text:?}")))
    };
    let [unk, cls, sep] = [special("unk", "[UNK]")?, special("cls", "[CLS]")?, special("sep", "[SEP]")?];
    let mut specials = vec![unk, cls, sep];
    specials.extend([special("pad", "[PAD]"), special("mask", "[MASK]")].into_iter().flatten());
    let ends = [Some(cls as u32), Some(sep as u32)];
    build(tokens, unk, |id| specials.contains(&id), cleaning, ends)
}

/// Builds the tokenizer of a GGUF vocabulary: pieces that begin a word have `▁` before them, those that go on have nothing.
///
/// # Errors
/// [`crate::ErrorKind::Tokenizer`] for a vocabulary without an unknown piece.
pub(super) fn from_gguf(source: &Vocabulary) -> Result<Tokenizer> {
    let of = |stem: &str| source.special_ids.iter().find(|(have, _)| have == stem).map(|(_, id)| *id);
    let plain = |text: &str| (text.starts_with('[') && text.ends_with(']')) || text.is_empty();
    let spelt = |text: &String| match text.strip_prefix(SPACE) {
        Some(word) => word.to_owned(),
        None if plain(text) => text.clone(),
        None => format!("##{text}"),
    };
    let tokens: Vec<String> = source.tokens.iter().map(spelt).collect();
    let named = || tokens.iter().position(|token| token == "[UNK]");
    let unk = of("unknown").map(|id| id as usize).or_else(named);
    let unk = unk.ok_or_else(|| failed("the vocabulary has no unknown piece"))?;
    let lowercase = source.lowercase.unwrap_or(true);
    let cleaning = Cleaning { lowercase, strip_accents: None, split_chinese: true };
    let ends = [
        of("cls").or(of("bos")).filter(|_| source.add_bos.unwrap_or(true)),
        of("seperator").or(of("eos")).filter(|_| source.add_eos.unwrap_or(true)),
    ];
    let is_special = |id: usize| matches!(source.token_types.get(id), Some(2 | 3)) || id == unk;
    build(tokens, unk, is_special, cleaning, ends)
}

fn build(
    tokens: Vec<String>,
    unk: usize,
    is_special: impl Fn(usize) -> bool,
    cleaning: Cleaning,
    [prefix, suffix]: [Option<u32>; 2],
) -> Result<Tokenizer> {
    // Of two pieces of one text the later wins.
    let vocab = tokens.iter().zip(0u32..).map(|(token, id)| (token.clone(), id));
    let model = WordPiece::builder()
        .vocab(vocab.collect::<super::models::WordPieceVocab>())
        .unk_token(tokens[unk].clone())
        .max_input_chars_per_word(WORD_CHARS_MAX)
        .build()
        .map_err(failed)?;
    let mut inner = Inner::new(Model::WordPiece(model));
    let Cleaning { lowercase, strip_accents, split_chinese } = cleaning;
    let normalizer = BertNormalizer::new(true, split_chinese, strip_accents, lowercase);
    inner.with_normalizer(Some(normalizer)).map_err(failed)?;
    inner.with_pre_tokenizer(Some(BertPreTokenizer));
    let mut pieces = Pieces::new(Style::WordPiece { cleanup: true });
    let mut added = Vec::new();
    for (id, token) in tokens.iter().enumerate() {
        if is_special(id) {
            added.push(AddedToken::from(token.as_str(), true).normalized(false));
            pieces.push_special(token);
        } else {
            pieces.push(token);
        }
    }
    inner.add_tokens(added).map_err(failed)?;
    Ok(Tokenizer { inner, pieces, prefix, suffix, post_processor: false, n_merges: 0 })
}
