//! # doran
//!
//! Small language models on the reader's own machine, in a web page.
//!
//! ```text
//! URL / File ─► source ─► plan ─► download ─► verify ─► store ─► upload ─► model ─► graph ─► ops/kernels ─► sampler ─► text
//!               └────────────────────── weights ─────────────────────────┘  └── record → fuse → memory → lower → replay
//! ```
//!
//! Data goes right, imports go left. `ARCHITECTURE.md` names every room and who may import whom.

pub mod adapter;
pub mod backend;
pub mod chat_template;
pub mod checkpoint;
pub mod detokenize;
pub mod embed;
pub mod engine;
pub mod error;
pub mod fit;
pub mod footprint;
pub mod format;
pub mod generate;
pub mod gpu;
pub mod graph;
pub mod inspect;
pub mod models;
pub mod ops;
pub mod quant;
pub mod quantize;
pub mod sampler;
pub mod session;
pub mod stop;
pub mod text;
pub mod tokenizer;
pub mod tune;
pub mod turn;
pub mod wasm;
pub mod weights;

pub use error::{Error, ErrorKind, Result};
