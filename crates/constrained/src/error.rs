//! The one error type of this crate, with the codes of the engine's errors.

use std::fmt;

/// What `Result` means in this crate.
pub type Result<T, E = ConstraintError> = std::result::Result<T, E>;

/// What callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The constraint is understood, and no text satisfies it.
    Unsatisfiable,
    /// The constraint is malformed, too large, or asks for something that is not implemented; or a token was not allowed.
    BadArgument,
}

/// A failure: kind, a sentence that says what is wrong and where, and the argument at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintError {
    kind: ErrorKind,
    argument: &'static str,
    message: String,
}

impl ConstraintError {
    /// Nothing satisfies the constraint; `why` says what cannot be.
    pub(crate) fn unsatisfiable(argument: &'static str, why: impl fmt::Display) -> Self {
        Self { kind: ErrorKind::Unsatisfiable, argument, message: format!("nothing satisfies the {argument}: {why}") }
    }

    /// `argument` is at fault.
    pub(crate) fn bad(argument: &'static str, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::BadArgument, argument, message: message.into() }
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code: `schema_unsatisfiable` or `bad_argument`.
    pub fn code(&self) -> &'static str {
        match self.kind {
            ErrorKind::Unsatisfiable => "schema_unsatisfiable",
            ErrorKind::BadArgument => "bad_argument",
        }
    }

    /// The argument at fault: `schema`, `regex`, `grammar`, `id` or `vocabulary`.
    pub fn argument(&self) -> &'static str {
        self.argument
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConstraintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl std::error::Error for ConstraintError {}
