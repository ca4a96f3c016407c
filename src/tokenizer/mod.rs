//! Text to token ids and back, by the `tokenizers` crate.
