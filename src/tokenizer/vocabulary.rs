//! A tokenizer from a vocabulary: GGUF's arrays, or what a folder says that has no `tokenizer.json`.
//!
//! `gpt2` vocabularies are byte-level BPE with merges by rank. `llama` vocabularies are SentencePiece BPE: scores rank the
//! pieces, and the merges follow from them. `t5` vocabularies are SentencePiece unigrams, with rules for what goes before, and
//! `bert` vocabularies word pieces (`word_piece.rs`).
//!
//! What loops over a whole vocabulary is not inlined: browsers compile a function anew in which much time is spent, and one that holds
//! everything takes them a tenth of a load.

use std::collections::HashSet;

use tokenizers::models::bpe::{Merges, Vocab};
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Precompiled, Prepend, Replace, Sequence as NormalizerSequence, Strip};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizerSequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

use super::models::Model;
use super::pieces::{Pieces, Style};
use super::unigram::Unigram;
use super::{Inner, SPACE, Tokenizer, charsmap, failed, pre, word_piece};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Vocabulary;

/// `llama_token_type` (llama.cpp `llama.h`).
const TYPE_NORMAL: i32 = 1;
const TYPE_UNKNOWN: i32 = 2;
const TYPE_CONTROL: i32 = 3;
const TYPE_USER_DEFINED: i32 = 4;
const TYPE_BYTE: i32 = 6;

/// Longest SentencePiece piece that is reached by merging, in bytes. Published vocabularies have at most 96 (runs of
/// spaces); without a limit, finding merges takes time quadratic in a piece's length.
const MERGED_BYTES_MAX: usize = 256;

/// Most merges that scores may imply. A vocabulary of 256 k pieces implies under 700 k.
const MERGES_MAX: usize = 4 << 20;

/// Builds the tokenizer.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a vocabulary model or a pre-tokenizer that is not known (data: `what`);
/// [`ErrorKind::Tokenizer`] for merges that the vocabulary does not have.
pub(super) fn build(source: &Vocabulary) -> Result<Tokenizer> {
    match source.model.as_str() {
        "gpt2" => byte_level(source),
        "llama" => sentence_piece(source),
        "t5" => unigram(source),
        "bert" => word_piece::from_gguf(source),
        other => Err(Error::unsupported(
            format!("tokenizer {other}"),
            format!("vocabularies of type {other:?} cannot be read"),
        )),
    }
}

fn byte_level(source: &Vocabulary) -> Result<Tokenizer> {
    let name = source.pre.as_deref().unwrap_or("default");
    let pre = pre::find(name).ok_or_else(|| {
        Error::unsupported(format!("pre-tokenizer {name}"), format!("pre-tokenizer {name:?} is not known"))
    })?;
    let vocab = vocab(source);
    let merges = ranked_merges(source, &vocab)?;
    let n_merges = merges.len();
    let bpe = super::bpe(vocab, merges).ignore_merges(pre.ignore_merges).build().map_err(failed)?;
    let mut inner = Inner::new(Model::Bpe(bpe));
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in pre.splits {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        steps.push(Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(failed)?.into());
    }
    steps.push(ByteLevel::new(false, true, false).into());
    inner.with_pre_tokenizer(Some(PreTokenizerSequence::new(steps)));
    finish(source, inner, Style::ByteLevel, pre.add_bos, n_merges)
}

/// The merges as they are listed, best first.
#[inline(never)]
fn ranked_merges(source: &Vocabulary, vocab: &Vocab) -> Result<Merges> {
    let mut merges = Merges::with_capacity(source.merges.len());
    for merge in &source.merges {
        // The left side may itself start with a space, so the first character is never the separator.
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let at = merge[first..].find(' ').map(|at| first + at);
        let (left, right) = at.map(|at| (&merge[..at], &merge[at + 1..])).ok_or_else(|| bad_merge(merge))?;
        let merged = [left, right].concat();
        if ![left, right, &merged].iter().all(|part| vocab.contains_key(*part)) {
            return Err(bad_merge(merge));
        }
        merges.push((left.to_owned(), right.to_owned()));
    }
    Ok(merges)
}

fn sentence_piece(source: &Vocabulary) -> Result<Tokenizer> {
    if source.scores.len() != source.tokens.len() {
        return Err(Error::new(ErrorKind::Tokenizer, "a SentencePiece vocabulary without scores"));
    }
    let vocab = vocab(source);
    let merges = merges_of_scores(source, &vocab)?;
    let n_merges = merges.len();
    let mut builder = super::bpe(vocab, merges).byte_fallback(true).fuse_unk(true);
    if let Some((_, id)) = source.special_ids.iter().find(|(stem, _)| stem == "unknown") {
        builder = builder.unk_token(source.tokens[*id as usize].clone());
    }
    let mut inner = Inner::new(Model::Bpe(builder.build().map_err(failed)?));
    let add_space_prefix = source.add_space_prefix.unwrap_or(true);
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if add_space_prefix && !source.prefix_once {
        steps.push(Prepend::new(SPACE.to_owned()).into());
    }
    if add_space_prefix && source.prefix_once {
        inner.with_pre_tokenizer(Some(Metaspace::new('\u{2581}', PrependScheme::First, false)));
    } else {
        steps.push(Replace::new(" ", SPACE).map_err(failed)?.into());
    }
    inner.with_normalizer(Some(NormalizerSequence::new(steps))).map_err(failed)?;
    finish(source, inner, Style::SentencePiece { strip_first_space: add_space_prefix }, true, n_merges)
}

fn unigram(source: &Vocabulary) -> Result<Tokenizer> {
    if source.scores.len() != source.tokens.len() {
        return Err(Error::new(ErrorKind::Tokenizer, "a SentencePiece vocabulary without scores"));
    }
    let pieces = source.tokens.iter().cloned().zip(source.scores.iter().map(|score| f64::from(*score)));
    let pieces: Vec<(String, f64)> = pieces.collect();
    let unknown = source.special_ids.iter().find(|(stem, _)| stem == "unknown").map(|(_, id)| *id);
    let mut inner = Inner::new(Model::Unigram(Unigram::new(&pieces, unknown, false)));
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if !source.charsmap.is_empty() {
        charsmap::check(&source.charsmap)?;
        steps.push(Precompiled::from(&source.charsmap).map_err(failed)?.into());
    }
    if source.remove_extra_whitespaces.unwrap_or(true) {
        steps.push(Strip::new(false, true).into());
        let spaces = ReplacePattern::Regex(" {2,}".to_owned());
        steps.push(Replace::new(spaces, SPACE).map_err(failed)?.into());
    }
    inner.with_normalizer(Some(NormalizerSequence::new(steps))).map_err(failed)?;
    let add_space_prefix = source.add_space_prefix.unwrap_or(true);
    let scheme = if add_space_prefix { PrependScheme::Always } else { PrependScheme::Never };
    inner.with_pre_tokenizer(Some(Metaspace::new('\u{2581}', scheme, true)));
    finish(source, inner, Style::SentencePiece { strip_first_space: add_space_prefix }, false, 0)
}

/// Special tokens, raw bytes, and what stands around a text.
fn finish(source: &Vocabulary, mut inner: Inner, style: Style, add_bos: bool, n_merges: usize) -> Result<Tokenizer> {
    // Merges start from characters that are pieces. Gemma has "\n\n" where "\n" may be none: SentencePiece takes such a piece
    // as it stands.
    let single = |text: &String| text.chars().next().filter(|c| c.len_utf8() == text.len());
    let alphabet: HashSet<char> = source.tokens.iter().filter_map(single).collect();
    let unreachable = |text: &str| text.chars().any(|c| !alphabet.contains(&c)) && text.chars().count() > 1;
    let added = source.tokens.iter().zip(&source.token_types).filter_map(|(text, kind)| {
        let special = match *kind {
            TYPE_UNKNOWN | TYPE_CONTROL => true,
            TYPE_USER_DEFINED => false,
            TYPE_NORMAL if source.model == "llama" && unreachable(text) => false,
            _ => return None,
        };
        Some(AddedToken::from(text.as_str(), special).normalized(false))
    });
    inner.add_tokens(added).map_err(failed)?;

    let special = |stem: &str| source.special_ids.iter().find(|(have, _)| have == stem).map(|(_, id)| *id);
    Ok(Tokenizer {
        inner,
        pieces: pieces(source, style),
        prefix: special("bos").filter(|_| source.add_bos.unwrap_or(add_bos)),
        suffix: special("eos").filter(|_| source.add_eos.unwrap_or(false)),
        post_processor: false,
        n_merges,
    })
}

/// The texts of the tokens.
#[inline(never)]
fn pieces(source: &Vocabulary, style: Style) -> Pieces {
    let mut pieces = Pieces::new(style);
    for (id, text) in source.tokens.iter().enumerate() {
        match source.token_types.get(id).copied().unwrap_or_default() {
            TYPE_UNKNOWN | TYPE_CONTROL => pieces.push_special(text),
            TYPE_USER_DEFINED => pieces.push_added(text),
            TYPE_BYTE => pieces.push_byte(text),
            _ => pieces.push(text),
        }
    }
    pieces
}

/// Ids by text. Of two tokens with one text the later wins, as in llama.cpp.
#[inline(never)]
fn vocab(source: &Vocabulary) -> Vocab {
    source.tokens.iter().zip(0u32..).map(|(text, id)| (text.clone(), id)).collect()
}

/// All ways in which a piece is the sum of two pieces, best score first.
///
/// SentencePiece merges, of all adjacent pairs whose sum is a piece, the one with the best score (Kudo & Richardson 2018,
/// `bpe_model.cc`); ranking the pairs by the score of their sum does the same.
fn merges_of_scores(source: &Vocabulary, vocab: &Vocab) -> Result<Merges> {
    let merged = |id: usize| !matches!(source.token_types.get(id), Some(&(TYPE_UNKNOWN | TYPE_CONTROL | TYPE_BYTE)));
    let part = |text: &str| vocab.get(text).copied().filter(|id| merged(*id as usize));
    let mut pairs: Vec<(u32, u32, u32)> = Vec::new();
    for (id, text) in source.tokens.iter().enumerate() {
        if text.len() > MERGED_BYTES_MAX || !merged(id) || vocab.get(text) != Some(&(id as u32)) {
            continue;
        }
        for (at, _) in text.char_indices().skip(1) {
            if let (Some(left), Some(right)) = (part(&text[..at]), part(&text[at..])) {
                pairs.push((id as u32, left, right));
            }
        }
        if pairs.len() > MERGES_MAX {
            return Err(Error::new(
                ErrorKind::Tokenizer,
                format!("the vocabulary implies more than {MERGES_MAX} merges"),
            ));
        }
    }
    let score = |id: u32| source.scores[id as usize];
    pairs.sort_unstable_by(|a, b| {
        score(b.0).total_cmp(&score(a.0)).then_with(|| a.0.cmp(&b.0)).then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
    });
    let text = |id: u32| source.tokens[id as usize].clone();
    Ok(pairs.into_iter().map(|(_, left, right)| (text(left), text(right))).collect())
}

fn bad_merge(merge: &str) -> Error {
    Error::new(ErrorKind::Tokenizer, format!("merge {merge:?} is not made of tokens of the vocabulary"))
}
