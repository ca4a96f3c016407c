//! Unigrams (Kudo 2018): of all ways to cut a text into pieces, the one of the best sum of scores.
//!
//! Ids are those of the crate `tokenizers`, whose tree of pieces takes a map for each of its nodes: a quarter of a gigabyte for
//! XLM-RoBERTa's 250,000 pieces. Here pieces are found in their sorted order.

use tokenizers::Token;

/// What an unknown character costs beside the worst piece (sentencepiece `unigram_model.cc`, `kUnkPenalty`).
const UNKNOWN_PENALTY: f64 = 10.0;

/// The pieces.
#[derive(Clone, Debug)]
pub(super) struct Unigram {
    /// All texts, one after the other, by id.
    texts: String,
    /// `ends[id]`: where the text of `id` ends.
    ends: Vec<u32>,
    scores: Vec<f64>,
    /// Ids by text; of equal texts by id.
    sorted: Vec<u32>,
    /// What an unknown character's score is, and which piece it becomes.
    unknown_score: f64,
    unknown: Option<u32>,
    /// Whether unknown characters become pieces for their bytes, `<0xNN>`, where there are such.
    byte_fallback: bool,
}

/// The best way to some place of a text.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    /// Where its last piece begins.
    start: usize,
    /// Whether that is an unknown character, or the piece for those.
    unknown: bool,
}

impl Unigram {
    /// Pieces by id with their scores; `unknown` must be one of them.
    pub fn new(pieces: &[(String, f64)], unknown: Option<u32>, byte_fallback: bool) -> Self {
        let texts: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
        let ends = pieces.iter().scan(0u32, |end, (text, _)| {
            *end += text.len() as u32;
            Some(*end)
        });
        let mut sorted: Vec<u32> = (0..pieces.len() as u32).collect();
        sorted.sort_by(|a, b| pieces[*a as usize].0.cmp(&pieces[*b as usize].0).then(a.cmp(b)));
        let unknown_score = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min) - UNKNOWN_PENALTY;
        let (ends, scores) = (ends.collect(), pieces.iter().map(|(_, score)| *score).collect());
        Self { texts, ends, scores, sorted, unknown_score, unknown, byte_fallback }
    }

    /// Number of pieces.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a piece.
    pub fn text(&self, id: u32) -> Option<&str> {
        let end = *self.ends.get(id as usize)?;
        let start = (id as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        self.texts.get(start as usize..end as usize)
    }

    /// The piece of this text; of several the last.
    pub fn id(&self, text: &str) -> Option<u32> {
        let after = self.sorted.partition_point(|id| self.text(*id).unwrap_or_default() <= text);
        let id = *self.sorted.get(after.checked_sub(1)?)?;
        (self.text(id) == Some(text)).then_some(id)
    }

    /// Calls `visit` with each piece that `text` begins with, shortest first: its length in bytes and its id.
    fn prefixes(&self, text: &[u8], mut visit: impl FnMut(usize, u32)) {
        let mut range = &self.sorted[..];
        let byte = |id: u32, at: usize| self.text(id).and_then(|text| text.as_bytes().get(at).copied());
        for (at, wanted) in text.iter().enumerate() {
            // Pieces that share `at` bytes with the text are side by side, in the order of their next one.
            let first = range.partition_point(|id| byte(*id, at) < Some(*wanted));
            let end = range.partition_point(|id| byte(*id, at) <= Some(*wanted));
            range = &range[first..end];
            let whole = range.partition_point(|id| byte(*id, at + 1).is_none());
            if let Some(id) = whole.checked_sub(1).map(|last| range[last]) {
                visit(at + 1, id);
            }
            if range.is_empty() {
                return;
            }
        }
    }

    /// Cuts a text. Unknown characters that stand side by side become one piece.
    ///
    /// # Errors
    /// A sentence, if there are unknown characters and no piece for them.
    pub fn tokenize(&self, text: &str) -> Result<Vec<Token>, &'static str> {
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        for (start, c) in text.char_indices() {
            // Every place is reached: by a character alone, known or not.
            let before = best[start].map_or(0.0, |best| best.score);
            let mut reach = |end: usize, score: f64, unknown: bool| {
                let better = best[end].is_none_or(|other| score > other.score);
                if better {
                    best[end] = Some(Best { score, start, unknown });
                }
                better
            };
            let mut is_known = false;
            self.prefixes(&text.as_bytes()[start..], |len, id| {
                is_known |= len == c.len_utf8();
                reach(start + len, self.scores[id as usize] + before, self.unknown == Some(id));
            });
            if !is_known && reach(start + c.len_utf8(), self.unknown_score + before, true) && self.unknown.is_none() {
                return Err("a character is in no piece, and there is none for what is unknown");
            }
        }
        let mut cuts = Vec::new();
        let mut end = text.len();
        while let Some(Best { start, unknown, .. }) = best[end] {
            match cuts.last_mut() {
                Some((first, _, true)) if unknown => *first = start,
                _ => cuts.push((start, end, unknown)),
            }
            end = start;
        }
        let mut tokens = Vec::with_capacity(cuts.len());
        for (start, end, _) in cuts.into_iter().rev() {
            self.push(&text[start..end], (start, end), &mut tokens);
        }
        Ok(tokens)
    }

    /// The piece of this text, or those for its bytes, or the unknown one.
    fn push(&self, text: &str, offsets: (usize, usize), tokens: &mut Vec<Token>) {
        if let Some(id) = self.id(text) {
            tokens.push(Token::new(id, text.to_owned(), offsets));
            return;
        }
        let of_byte = |byte: u8| {
            let spelt = format!("<0x{byte:02X}>");
            Some(Token::new(self.id(&spelt)?, spelt, offsets))
        };
        let of_bytes: Option<Vec<Token>> = if self.byte_fallback { text.bytes().map(of_byte).collect() } else { None };
        match of_bytes {
            Some(bytes) => tokens.extend(bytes),
            None => tokens.extend(self.unknown.map(|id| Token::new(id, text.to_owned(), offsets))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokenizers::Model;
    use tokenizers::models::unigram::Unigram as Reference;

    use super::*;

    /// Random pieces of a few letters, some of them twice, and random texts: the crate's ids.
    #[test]
    fn ids_are_those_of_the_crate() {
        let mut state = 1u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        let letters = ["a", "b", "ab", "é", "한", "▁", "<0xC3>", "👍", "", "<unk>"];
        let mut seen = 0;
        for round in 0..300 {
            let mut word =
                |most: usize| -> String { (0..=below(most)).map(|_| letters[below(letters.len())]).collect() };
            let mut pieces: Vec<(String, f64)> = vec![("<unk>".into(), 0.0)];
            for i in 0..20 {
                pieces.push((word(3), -f64::from(i * 7 % 11) - 0.25));
            }
            for byte in "éx".bytes() {
                pieces.push((format!("<0x{byte:02X}>"), -3.0));
            }
            let texts: Vec<String> = (0..20).map(|_| word(12) + ["", "x", "xyx", "漢é"][round % 4]).collect();
            for (unknown, byte_fallback) in [(Some(0), false), (Some(0), true), (None, false), (None, true)] {
                let ours = Unigram::new(&pieces, unknown, byte_fallback);
                let theirs =
                    Reference::from(pieces.clone(), unknown.map(|id| id as usize), byte_fallback).expect("pieces");
                for text in &texts {
                    let wanted = theirs.tokenize(text);
                    let got = ours.tokenize(text);
                    assert_eq!(got.is_ok(), wanted.is_ok(), "{text:?} of {pieces:?}");
                    if let (Ok(got), Ok(wanted)) = (got, wanted) {
                        let ids = |tokens: &[Token]| tokens.iter().map(|token| token.id).collect::<Vec<_>>();
                        assert_eq!(ids(&got), ids(&wanted), "{text:?} of {pieces:?}");
                        seen += got.len();
                    }
                }
                for (text, _) in &pieces {
                    assert_eq!(ours.id(text), theirs.token_to_id(text), "{text:?}");
                }
            }
        }
        assert!(seen > 10_000, "{seen} tokens");
    }
}
