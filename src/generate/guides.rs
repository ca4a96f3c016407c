//! What has a say in an answer beside the model: a grammar that it must follow, and a caller's hook on its logits.
//!
//! Both are asked before each token, so nothing is computed ahead of them.

use crate::error::Result;

/// What an answer may say, token by token.
pub trait Constraint {
    /// Whether the answer is whole, and nothing may come after it.
    ///
    /// # Errors
    /// What the constraint says; the answer ends with it.
    fn is_over(&mut self) -> Result<bool>;

    /// The tokens that may come next, a bit a token, the lowest first. Tokens beyond its length may not.
    ///
    /// # Errors
    /// As [`Constraint::is_over`].
    fn mask(&mut self) -> Result<Vec<u32>>;

    /// The tokens that must come next, as far as that is certain.
    ///
    /// # Errors
    /// As [`Constraint::is_over`].
    fn forced(&mut self) -> Result<Vec<u32>>;

    /// Goes on behind a token that it let through.
    ///
    /// # Errors
    /// As [`Constraint::is_over`].
    fn take(&mut self, id: u32) -> Result<()>;
}

/// A caller's own change to logits.
pub trait LogitsHook {
    /// Changes `logits: [vocab_size]` of the token after `ids`, which are prompt and answer so far.
    ///
    /// # Errors
    /// What the hook throws; the answer ends with it.
    fn change(&mut self, logits: &mut [f32], ids: &[u32]) -> Result<()>;
}

/// What has a say in one answer.
#[derive(Default)]
pub struct Guides {
    /// A grammar.
    pub constraint: Option<Box<dyn Constraint>>,
    /// A hook. It sees the model's own logits; the constraint's mask comes after it.
    pub hook: Option<Box<dyn LogitsHook>>,
}

impl Guides {
    /// Whether there is none.
    pub(super) fn are_none(&self) -> bool {
        self.constraint.is_none() && self.hook.is_none()
    }
}
