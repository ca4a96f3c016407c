//! Token ids become text one at a time, never half a character.
//!
//! A token is a few bytes, and a Korean syllable or an emoji is often several tokens. Bytes that do not yet make a character
//! are held back. What all pieces say together is what [`Tokenizer::decode`] says of all ids; each byte is looked at once.

use crate::error::Result;
use crate::tokenizer::Tokenizer;

/// The state between two tokens of one text.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    /// The start of a character: at most 3 bytes between calls.
    pending: Vec<u8>,
    skip_special: bool,
    /// Nothing was seen yet, and a space at the start is to be taken away.
    strip_space: bool,
}

impl Detokenizer {
    /// Starts a text. Special tokens are left out, or kept as the vocabulary spells them.
    pub fn new(skip_special: bool) -> Self {
        Self { pending: Vec::new(), skip_special, strip_space: true }
    }

    /// Goes on after a text that was shown before (a prompt to be completed): a space at the start is part of the text.
    pub fn continuing(skip_special: bool) -> Self {
        Self { strip_space: false, ..Self::new(skip_special) }
    }

    /// Takes one more id and returns the text that is now certain, which may be empty. All ids of a text must come with
    /// the same tokenizer.
    ///
    /// # Errors
    /// [`crate::ErrorKind::BadArgument`] for an id outside the vocabulary.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String> {
        tokenizer.check_id(id)?;
        if self.skip_special && tokenizer.is_special(id) {
            return Ok(String::new());
        }
        let mut bytes = tokenizer.token_bytes(id);
        if self.strip_space && !bytes.is_empty() {
            self.strip_space = false;
            if tokenizer.strips_first_space() {
                bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
            }
        }
        self.pending.extend_from_slice(bytes);
        Ok(self.take_certain())
    }

    /// Ends the text: a character that never became whole is U+FFFD.
    pub fn finish(&mut self) -> String {
        self.strip_space = true;
        let rest = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        rest
    }

    /// Takes everything but the start of a character that may still become whole.
    fn take_certain(&mut self) -> String {
        let mut text = String::new();
        let mut taken = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            taken += chunk.valid().len();
            let invalid = chunk.invalid();
            let is_last = taken + invalid.len() == self.pending.len();
            if invalid.is_empty() || (is_last && may_become_whole(invalid)) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            taken += invalid.len();
        }
        self.pending.drain(..taken);
        text
    }
}

/// Whether these bytes are the start of a character that ends too early, as opposed to bytes that start none.
fn may_become_whole(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_none())
}
