//! Text to token ids and back.
//!
//! Encoding is done by the crate `tokenizers`, built from a `tokenizer.json` (`json.rs`), from the vocabulary of a GGUF
//! file or of SentencePiece's (`vocabulary.rs`), or from a `vocab.txt` (`word_piece.rs`). Decoding is a table of bytes by id (`pieces.rs`). Ids are those of Hugging Face's tokenizer for the model.

mod charsmap;
mod json;
mod models;
mod pieces;
mod pre;
mod unigram;
mod vocabulary;
mod word_piece;

use tokenizers::models::bpe::{BPE, BpeBuilder, Merges, Vocab};
use tokenizers::{NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl};

use crate::error::{Error, ErrorKind, Result};
use crate::format::TokenizerSource;
use pieces::{Pieces, Style};

/// SentencePiece's spelling of a space (U+2581).
const SPACE: &str = "\u{2581}";

/// The crate's steps around one of the models that are read here.
type Inner = TokenizerImpl<
    models::Model,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    tokenizers::DecoderWrapper,
>;

/// A model's tokenizer.
pub struct Tokenizer {
    inner: Inner,
    pieces: Pieces,
    /// Put before a text with `add_special`, where `inner` has no post-processor that does it.
    prefix: Option<u32>,
    /// Put after a text with `add_special`.
    suffix: Option<u32>,
    /// `inner` adds the special tokens.
    post_processor: bool,
    n_merges: usize,
}

impl Tokenizer {
    /// Builds the tokenizer that a model's files describe.
    ///
    /// # Errors
    /// [`ErrorKind::Tokenizer`] for a description that contradicts itself; [`ErrorKind::Unsupported`] (data: `what`) for a
    /// kind of vocabulary, a pre-tokenizer or a step that is not known. Unknown parts are never skipped.
    pub fn new(source: &TokenizerSource) -> Result<Self> {
        match source {
            TokenizerSource::Json { tokenizer, .. } => json::build(tokenizer),
            TokenizerSource::Vocabulary(source) => vocabulary::build(source),
            TokenizerSource::VocabTxt { vocab, config } => word_piece::from_vocab(vocab, config.as_ref()),
        }
        .map_err(|e| e.during("building the tokenizer"))
    }

    /// The ids of a text. Special tokens written in the text become their ids. With `add_special`, the ids that the model
    /// wants around a text (BOS, EOS) are added; a text rendered by a chat template has them already.
    ///
    /// # Errors
    /// [`ErrorKind::Tokenizer`] if a pattern of the pre-tokenizer gives up on the text (long runs that make it backtrack).
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, add_special && self.post_processor).map_err(failed)?;
        let mut ids = Vec::with_capacity(encoding.len() + 2);
        ids.extend(self.prefix.filter(|_| add_special));
        ids.extend_from_slice(encoding.get_ids());
        ids.extend(self.suffix.filter(|_| add_special));
        Ok(ids)
    }

    /// The text of ids, with U+FFFD for bytes that are no UTF-8. `skip_special` leaves out special tokens. A vocabulary
    /// that puts a space before each text has it taken away again.
    ///
    /// # Errors
    /// [`ErrorKind::BadArgument`] for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        let mut bytes = Vec::new();
        for id in ids {
            self.check_id(*id)?;
            if !(skip_special && self.is_special(*id)) {
                bytes.extend_from_slice(self.token_bytes(*id));
            }
        }
        let bytes = bytes.strip_prefix(b" ").filter(|_| self.strips_first_space()).unwrap_or(&bytes);
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Number of ids: all are below it. A model may have more rows of embeddings.
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// The bytes that a token adds to a text: often no whole character. None for an id outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.pieces.get(id)
    }

    /// Whether a token is never text, but marks the begin of a turn, the end of a text and such.
    pub fn is_special(&self, id: u32) -> bool {
        self.pieces.is_special(id)
    }

    /// The id of a token by its text as the vocabulary spells it, e.g. `<|im_end|>`.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.inner.token_to_id(text)
    }

    /// Whether decoding takes one space from the start of a text.
    pub fn strips_first_space(&self) -> bool {
        matches!(self.pieces.style, Style::SentencePiece { strip_first_space: true } | Style::WordPiece { .. })
    }

    /// Heap memory in bytes, estimated: two maps of strings and one of merges by id.
    pub fn approx_bytes(&self) -> usize {
        const ENTRY_BYTES: usize = 64;
        const MERGE_BYTES: usize = 24;
        let texts = self.pieces.heap_bytes();
        2 * (texts + self.pieces.len() * ENTRY_BYTES) + texts + self.n_merges * MERGE_BYTES
    }

    /// Refuses ids outside the vocabulary.
    pub(crate) fn check_id(&self, id: u32) -> Result<()> {
        if (id as usize) < self.pieces.len() {
            return Ok(());
        }
        Err(Error::bad_argument("ids", format!("token id {id} is outside the vocabulary of {}", self.pieces.len())))
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("vocab_size", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// A BPE model without the crate's cache of words: that one lives in the thread, and what it saw of a text would stay in
/// memory after the tokenizer is gone. It would save a quarter of the time.
fn bpe(vocab: Vocab, merges: Merges) -> BpeBuilder {
    BPE::builder().vocab_and_merges(vocab, merges).cache_capacity(0)
}

/// An error of the crate `tokenizers` or of JSON, as ours.
fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Tokenizer, error.to_string())
}
