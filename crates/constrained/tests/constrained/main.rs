//! Constraints with the vocabulary of a real model: SmolLM2's 49,152 tokens.
#![cfg(not(target_arch = "wasm32"))]

mod answers;
mod model;
mod refused;
mod tools;
