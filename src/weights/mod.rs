//! Bytes arrive and stay: source, plan, download, verify, store. The files are the steps.
//!
//! ```text
//! source (http, file) ─► download ─► verify ─► store (indexed_db, memory, directory)
//!                           ▲           └────► Sink (the GPU upload)
//!                         plan
//! ```
//!
//! [`ModelFiles`] runs the steps. Three things hold whatever the network, the disk or the caller do:
//!
//! - no byte reaches a [`Sink`] or the store that contradicts a hash, length or validator that is known of it;
//! - a chunk and the manifest bit that says that it is stored are written in one transaction, and the manifest says
//!   `complete` last, so presence is never inferred from bytes;
//! - weights stay [`Bytes`] (JavaScript buffers on the web) on their way and do not pass through the wasm heap.

pub mod cancel;
pub mod check;
pub mod directory;
pub mod download;
mod export;
pub mod file;
pub mod http;
pub mod indexed_db;
mod judge;
pub mod load;
pub mod manifest;
pub mod memory;
mod open;
mod pause;
pub mod plan;
pub mod progress;
mod queue;
mod runs;
pub mod secrets;
mod shared;
pub mod source;
pub mod store;
mod tap;
mod transfer;
pub mod vec_bytes;
pub mod verify;
pub mod web_store;

pub use cancel::Cancel;
pub use check::{Checked, check_model, evict_oldest};
pub use export::export_model;
pub use load::{LoadOptions, ModelFiles, Sink, Update};
pub use manifest::{Integrity, Manifest};
pub use memory::MemoryStore;
pub use pause::Pause;
pub use plan::TensorSpan;
pub use progress::{LoadReport, Millis, Phase, Progress};
pub use shared::{Shared, shared};
pub use source::{Body, ByteSource, Bytes, Facts, Reply};
pub use store::{Access, ChunkStore, Usage, delete_model};
pub use tap::{Tap, Upstream};
pub use vec_bytes::VecBytes;
