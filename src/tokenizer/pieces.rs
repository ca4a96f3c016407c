//! The bytes that each token adds to a text, in one flat table.
//!
//! A text is the concatenation of its tokens' bytes, decoded as UTF-8 with U+FFFD for what is invalid. That is all of
//! decoding, so that decoding a token at a time and decoding a whole text cannot disagree.

use tokenizers::decoders::wordpiece;

use super::SPACE;

/// How a vocabulary spells bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Each byte is one of 256 printable characters (`bytes_to_unicode` in `encoder.py` of openai/gpt-2).
    ByteLevel,
    /// UTF-8 with `▁` for a space and `<0xNN>` for single bytes.
    SentencePiece {
        /// Encoding put a space before the text, so decoding takes one away.
        strip_first_space: bool,
    },
    /// UTF-8; pieces that go on with a word begin with `##`, and others have a space before them.
    WordPiece {
        /// There is none before punctuation.
        cleanup: bool,
    },
}

/// Bytes by token id.
#[derive(Debug)]
pub(super) struct Pieces {
    pub style: Style,
    bytes: Vec<u8>,
    /// `ends[id]`: where the bytes of `id` end, and those of `id + 1` start.
    ends: Vec<u32>,
    special: Vec<bool>,
}

impl Pieces {
    pub fn new(style: Style) -> Self {
        Self { style, bytes: Vec::new(), ends: Vec::new(), special: Vec::new() }
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token; none for an id outside the vocabulary.
    pub fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        match self.ends.get(id) {
            Some(end) => {
                let start = if id == 0 { 0 } else { self.ends[id - 1] };
                &self.bytes[start as usize..*end as usize]
            }
            None => &[],
        }
    }

    pub fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 5
    }

    /// The next id is an ordinary token.
    pub fn push(&mut self, text: &str) {
        match self.style {
            Style::ByteLevel => {
                let start = self.bytes.len();
                for c in text.chars() {
                    match byte_of_char(c) {
                        Some(byte) => self.bytes.push(byte),
                        None => {
                            // Not spelt in the byte alphabet: the text stands for itself.
                            self.bytes.truncate(start);
                            self.bytes.extend_from_slice(text.as_bytes());
                            break;
                        }
                    }
                }
            }
            Style::SentencePiece { .. } => self.bytes.extend_from_slice(text.replace(SPACE, " ").as_bytes()),
            Style::WordPiece { cleanup } => self.push_word(text, cleanup),
        }
        self.end(false);
    }

    /// The next id is a single byte, spelt `<0xNN>`.
    pub fn push_byte(&mut self, text: &str) {
        match byte_token(text) {
            Some(byte) => {
                self.bytes.push(byte);
                self.end(false);
            }
            None => self.push(text),
        }
    }

    /// The next id was added to the vocabulary later and stands for itself.
    pub fn push_added(&mut self, text: &str) {
        match self.style {
            Style::ByteLevel => {
                self.bytes.extend_from_slice(text.as_bytes());
                self.end(false);
            }
            Style::SentencePiece { .. } | Style::WordPiece { .. } => self.push(text),
        }
    }

    /// The next id is never text: begin of turn, end of text, …
    pub fn push_special(&mut self, text: &str) {
        match self.style {
            Style::WordPiece { cleanup } => self.push_word(text, cleanup),
            _ => self.bytes.extend_from_slice(text.as_bytes()),
        }
        self.end(true);
    }

    fn push_word(&mut self, text: &str, cleanup: bool) {
        let spaced = text.strip_prefix("##").map_or_else(|| format!(" {text}"), str::to_owned);
        let clean = if cleanup { wordpiece::cleanup(&spaced) } else { spaced };
        self.bytes.extend_from_slice(clean.as_bytes());
    }

    fn end(&mut self, special: bool) {
        self.ends.push(u32::try_from(self.bytes.len()).expect("vocabularies are limited to 64 MiB"));
        self.special.push(special);
    }
}

/// The byte that `<0xNN>` stands for.
pub(super) fn byte_token(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2).then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

/// The byte that a character of the byte alphabet stands for. Printable Latin-1 stands for itself; the other 68 bytes are
/// numbered from U+0100 in their order.
fn byte_of_char(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}
