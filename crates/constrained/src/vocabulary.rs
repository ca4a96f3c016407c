//! A model's tokens as a trie: what one model needs once, whatever its answers must follow.

use std::sync::Arc;

use llguidance::ParserFactory;
use llguidance::api::ParserLimits;
use llguidance::earley::SlicedBiasComputer;
use toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use crate::error::{ConstraintError, Result};

/// The bytes of a text, as the ids of the model's own tokenizer, without special tokens around them.
pub type Tokenize = Box<dyn Fn(&[u8]) -> Vec<u32> + Send + Sync>;

/// Bytes of a token at most: the trie is no deeper. Longer ones (runs of spaces, in some vocabularies) are never allowed.
const MAX_TOKEN_BYTES: usize = 1000;
/// Nodes of the trie at most, of which there is one a byte at worst.
const MAX_TRIE_BYTES: usize = 1 << 22;
/// No tokenizer of this size is known; ids have 24 bits in the trie.
const MAX_TOKENS: usize = 1 << 21;

/// What a constraint may cost. Each is a bound on work or memory that a hostile grammar would otherwise not have: see
/// `tests/hostile.rs` for what they come to.
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 2000,
        initial_lexer_fuel: 200_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_lexer_states: 20_000,
        max_grammar_size: 100_000,
        precompute_large_lexemes: true,
        // Errors name what is wrong; the rest is a dump of the parser.
        verbose_errors: false,
    }
}

/// A model's vocabulary, ready for constraints. Cheap to clone.
#[derive(Clone)]
pub struct Vocabulary {
    pub(crate) factory: Arc<ParserFactory>,
    pub(crate) eos: Arc<[u32]>,
    /// Logits of the model.
    pub(crate) vocab_size: usize,
}

impl Vocabulary {
    /// Builds the trie: about a tenth of a second for 50,000 tokens.
    ///
    /// - `tokens`: the bytes that each id of the tokenizer adds to a text, in order of ids.
    /// - `vocab_size`: logits of the model. Rows beyond the tokenizer's ids are never allowed; ids beyond the rows neither.
    /// - `special`: ids that are no text; only a Lark grammar that names them allows them.
    /// - `eos`: ids that end an answer.
    /// - `tokenize`: the model's own tokenizer, for text that the grammar leaves no choice about.
    ///
    /// # Errors
    /// `bad_argument` for an end token outside the vocabulary, for none, and for a vocabulary that is too large.
    pub fn new<T: AsRef<[u8]>>(
        tokens: &[T],
        vocab_size: usize,
        special: &[u32],
        eos: &[u32],
        tokenize: Tokenize,
    ) -> Result<Self> {
        let n_tokens = tokens.len().min(vocab_size);
        let bad = |message: String| Err(ConstraintError::bad("vocabulary", message));
        if vocab_size > MAX_TOKENS {
            return bad(format!("{vocab_size} tokens are too many"));
        }
        let Some(first) = eos.first().copied() else { return bad("there is no end token".to_owned()) };
        if let Some(id) = eos.iter().find(|id| **id as usize >= n_tokens) {
            return bad(format!("the end token {id} is outside the vocabulary of {n_tokens}"));
        }
        let mut words: Vec<Vec<u8>> = tokens[..n_tokens].iter().map(|token| text_of(token.as_ref())).collect();
        for id in special.iter().chain(eos) {
            if let Some(word) = words.get_mut(*id as usize) {
                *word = special_of(*id, tokens[*id as usize].as_ref());
            }
        }
        if words.iter().map(Vec::len).sum::<usize>() >= MAX_TRIE_BYTES {
            return bad("the texts of the tokens are too long".to_owned());
        }
        let info = TokRxInfo::new(n_tokens as u32, first);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(eos);
        let env: TokEnv = Arc::new(Env::new(trie, tokenize));
        let capabilities = InferenceCapabilities { ff_tokens: env.tokenize_is_canonical(), ..Default::default() };
        let mut factory = ParserFactory::new(&env, capabilities, &SlicedBiasComputer::json_slices())
            .map_err(|error| ConstraintError::bad("vocabulary", error.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Ok(Self { factory: Arc::new(factory), eos: eos.into(), vocab_size })
    }

    /// Ids that are tokens; a model may have more logits.
    pub(crate) fn n_tokens(&self) -> usize {
        self.factory.tok_env().tok_trie().vocab_size()
    }

    /// 32-bit words of a mask: a bit a logit.
    pub fn mask_words(&self) -> usize {
        self.vocab_size.div_ceil(32)
    }
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("vocab_size", &self.vocab_size).finish_non_exhaustive()
    }
}

/// The bytes of a token of text; none for what can never come in one: 0xFF marks special tokens in the trie, and is no part of UTF-8.
fn text_of(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() > MAX_TOKEN_BYTES || bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) {
        Vec::new()
    } else {
        bytes.to_vec()
    }
}

/// How the trie spells a special token: behind a mark that no text has.
fn special_of(id: u32, bytes: &[u8]) -> Vec<u8> {
    let name = text_of(bytes);
    let name = if name.is_empty() { format!("<|{id}|>").into_bytes() } else { name };
    [&[TokTrie::SPECIAL_TOKEN_MARKER], &name[..]].concat()
}

/// The trie with the model's own tokenizer beside it.
struct Env {
    trie: TokTrie,
    tokenize: Tokenize,
    canonical: bool,
}

impl Env {
    fn new(trie: TokTrie, tokenize: Tokenize) -> Self {
        let mut env = Self { trie, tokenize, canonical: false };
        // A tokenizer that puts a space before each text, or loses something of it, cannot say how forced text continues an answer:
        // nothing is forced then, and the model chooses among the tokens that spell it.
        env.canonical = ["{\"name\": \"", "a", ", \"b\": [1, 2]}", "가나"].iter().all(|text| env.own(text).is_some());
        env
    }

    /// The ids of the model's tokenizer, where they spell the text.
    fn own(&self, text: &str) -> Option<Vec<TokenId>> {
        let ids = (self.tokenize)(text.as_bytes());
        let known = ids.iter().all(|id| (*id as usize) < self.trie.vocab_size());
        (known && self.trie.decode_raw(&ids) == text.as_bytes()).then_some(ids)
    }
}

impl TokenizerEnv for Env {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        // Forced bytes may end within a character; those that are no text are spelled by the longest tokens.
        self.trie.tokenize_with_greedy_fallback(bytes, |text| {
            self.own(text).unwrap_or_else(|| self.trie.greedy_tokenize(text.as_bytes()))
        })
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.canonical
    }
}
