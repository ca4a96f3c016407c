//! The native tests, on lavapipe: `cargo test --test native graph::` runs those of a file.

#![cfg(not(target_arch = "wasm32"))]

mod adapters;
mod architecture;
mod budget;
mod chat_template;
mod common;
mod context;
mod decode_at;
mod documents;
mod encoder_decoders;
mod encoders;
mod experts;
mod faults;
mod files;
mod fit;
mod footprint;
mod format;
mod graph;
mod guides;
mod kernels;
mod loads;
mod models;
mod non_finite;
mod odd_dims;
mod patterns;
mod precision;
mod quantize;
mod quants;
mod sampler;
mod shaders;
mod states;
mod tokenizer;
mod tools;
mod unsaid;
mod vocabularies;
mod weights;
