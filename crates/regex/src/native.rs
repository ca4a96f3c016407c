//! Patterns by `fancy-regex`.

use super::{Error, Match};

#[derive(Debug)]
pub(super) struct Pattern(::native::Regex);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, Error> {
        // What the web does not take is not taken here: what a model needs does not depend on where it runs.
        super::translate::to_javascript(pattern).map_err(Error)?;
        ::native::Regex::new(pattern).map(Self).map_err(|error| Error(error.to_string()))
    }

    pub(super) fn matches<'r, 't>(&'r self, text: &'t str) -> Matches<'r, 't> {
        Matches(self.0.find_iter(text))
    }
}

pub(super) struct Matches<'r, 't>(::native::Matches<'r, 't>);

impl Iterator for Matches<'_, '_> {
    type Item = Result<Match, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.0.next()?;
        Some(found.map(|m| Match { start: m.start(), end: m.end() }).map_err(|error| Error(error.to_string())))
    }
}
