//! Stop strings over text that arrives in pieces: nothing that may belong to a stop string is shown too early.

use crate::error::{Error, Result};

/// Looks for the first of some strings in a text that arrives in pieces.
///
/// The first to be complete wins, and of several that end together the longest; so the answer does not depend on how the
/// text was cut.
#[derive(Clone, Debug)]
pub struct StopStrings {
    stops: Vec<String>,
    /// The end of the text so far, if it may be the start of a stop string.
    held: String,
    stopped: bool,
}

/// What one more piece of text brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    /// Text that is certain to stand before any stop string.
    pub text: String,
    /// A stop string was found; `text` is the last there is.
    pub stopped: bool,
}

impl StopStrings {
    /// Looks for `stops`, none of which may be empty. Without any, all text passes at once.
    ///
    /// # Errors
    /// [`crate::ErrorKind::BadArgument`] for an empty stop string.
    pub fn new(stops: Vec<String>) -> Result<Self> {
        if stops.iter().any(String::is_empty) {
            return Err(Error::bad_argument("stop", "a stop string must not be empty"));
        }
        Ok(Self { stops, held: String::new(), stopped: false })
    }

    /// Takes one more piece. After a stop nothing is taken.
    pub fn push(&mut self, piece: &str) -> Emit {
        if self.stopped {
            return Emit { text: String::new(), stopped: true };
        }
        self.held.push_str(piece);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop).map(|start| (start + stop.len(), start)));
        if let Some((_, start)) = found.min() {
            self.stopped = true;
            self.held.truncate(start);
            return Emit { text: std::mem::take(&mut self.held), stopped: true };
        }
        let rest = self.held.split_off(self.certain_bytes());
        Emit { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// Ends the text: what was held back was no stop string after all.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// How much of `held` cannot be part of a stop string: all before the first place where the rest starts one.
    fn certain_bytes(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        self.held
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| *at >= from)
            .find(|at| self.stops.iter().any(|stop| stop.starts_with(&self.held[*at..])))
            .unwrap_or(self.held.len())
    }
}
