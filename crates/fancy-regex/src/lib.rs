//! What `tokenizers` uses of the crate `fancy-regex`, on the engine of the crate `regex` beside this one.

pub use regex::{Error, FallibleMatches as Matches, Match};

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex(regex::Regex);

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is none, or has a construct that the engine lacks.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        regex::Regex::new(pattern).map(Self)
    }

    /// Matches from left to right. After an error there are no more.
    pub fn find_iter<'r, 't>(&'r self, text: &'t str) -> Matches<'r, 't> {
        self.0.try_find_iter(text)
    }
}
