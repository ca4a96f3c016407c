//! # doran-constrained
//!
//! Constrained decoding: which tokens may come next, where an answer must follow a JSON Schema, a regular expression or a grammar.
//! The parser is [`llguidance`]; this crate says what it is given, so that nothing of a constraint is ignored in silence, nothing that
//! is hostile takes the worker with it, and what comes out is what JavaScript's own readers take.
//!
//! ```text
//! schema ─► schema ─► formats, pattern ┐
//! regex  ─► pattern ───────────────────┼─► llguidance ─► dead ─► Constraint: mask, commit, forced
//! Lark   ─► lark ──────────────────────┘        ▲
//! tokens ─► Vocabulary ─────────────────────────┘
//! ```
//!
//! It is a WebAssembly module of its own, fetched on first use, because most pages never constrain an answer.

mod constraint;
mod dead;
mod error;
mod formats;
mod lark;
mod pattern;
mod schema;
mod vocabulary;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use constraint::{Constraint, Grammar, MAX_TEXT_BYTES};
pub use error::{ConstraintError, ErrorKind, Result};
pub use vocabulary::{Tokenize, Vocabulary};
