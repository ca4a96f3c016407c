//! What `tokenizers` uses of the crate `regex`.
//!
//! Regular expressions with their Unicode tables were a third of the WebAssembly module, and every browser has both. So
//! on the web a pattern is translated to JavaScript's dialect ([`translate`]) and matched by `RegExp`. Elsewhere
//! `fancy-regex` does it, which is also what the translation is tested against.

mod cost;
pub mod translate;

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

use std::fmt;

#[cfg(not(target_arch = "wasm32"))]
use native as engine;
#[cfg(target_arch = "wasm32")]
use web as engine;

/// A pattern that could not be compiled, or not matched.
#[derive(Clone, Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Where a pattern matched, in bytes of UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    start: usize,
    end: usize,
}

impl Match {
    /// The first byte.
    pub fn start(&self) -> usize {
        self.start
    }

    /// One after the last byte.
    pub fn end(&self) -> usize {
        self.end
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex(Kind);

#[derive(Debug)]
enum Kind {
    /// Plain text needs no engine.
    Literal(String),
    Pattern(engine::Pattern),
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is none, or has a construct that the engine lacks.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        match literal(pattern) {
            Some(text) => Ok(Self(Kind::Literal(text))),
            None => engine::Pattern::new(pattern).map(Kind::Pattern).map(Self),
        }
    }

    /// The first match. An engine that gives up finds none.
    pub fn find(&self, text: &str) -> Option<Match> {
        self.find_iter(text).next()
    }

    /// Whether the pattern matches anywhere.
    pub fn is_match(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// Matches from left to right, none of them overlapping. An engine that gives up ends them.
    pub fn find_iter<'r, 't>(&'r self, text: &'t str) -> impl Iterator<Item = Match> + use<'r, 't> {
        self.try_find_iter(text).map_while(Result::ok)
    }

    /// As [`Regex::find_iter`], with an error where the engine gives up.
    pub fn try_find_iter<'r, 't>(&'r self, text: &'t str) -> FallibleMatches<'r, 't> {
        FallibleMatches(match &self.0 {
            Kind::Literal(literal) => Matches::Literal { text, literal, at: 0 },
            Kind::Pattern(pattern) => Matches::Pattern(pattern.matches(text)),
        })
    }
}

/// Matches from left to right.
pub struct FallibleMatches<'r, 't>(Matches<'r, 't>);

enum Matches<'r, 't> {
    Literal { text: &'t str, literal: &'r str, at: usize },
    Pattern(engine::Matches<'r, 't>),
}

impl Iterator for FallibleMatches<'_, '_> {
    type Item = Result<Match, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Matches::Literal { text, literal, at } => {
                let start = *at + text[*at..].find(*literal)?;
                *at = start + literal.len();
                Some(Ok(Match { start, end: *at }))
            }
            Matches::Pattern(matches) => matches.next(),
        }
    }
}

/// The characters that mean something else than themselves.
const SYNTAX: &str = r"\.+*?()|[]{}^$#&-~";

/// A pattern that matches exactly `text`.
pub fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if SYNTAX.contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The text that a pattern stands for, if it stands for one text only and that is not empty.
fn literal(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => chars.next().filter(|c| SYNTAX.contains(*c))?,
            c if SYNTAX.contains(c) && !"#&-~".contains(c) => return None,
            c => c,
        });
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_needs_no_engine() {
        for text in ["▁", "a.b", "(?i:x)", "1+1=2", "#-&~", "가나"] {
            assert_eq!(literal(&escape(text)).as_deref(), Some(text));
        }
        for pattern in ["", "a|b", r"\d", ".", "x*", "^a", "[ab]"] {
            assert_eq!(literal(pattern), None, "{pattern}");
        }
        let found: Vec<_> = Regex::new("aa").expect("valid").find_iter("aaaxaa").collect();
        assert_eq!(found, [Match { start: 0, end: 2 }, Match { start: 4, end: 6 }]);
    }
}
