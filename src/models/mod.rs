//! Architectures: one file each, and the list.
//!
//! A model file records its layers on a graph, in the paper's order. It knows nothing of quantisation, devices, fusion,
//! prefill or decode.

pub mod config;
pub mod llama;

use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;

/// What every architecture states of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the logits.
    pub vocab_size: u32,
    /// Positions the model was trained for.
    pub max_position_embeddings: u32,
}

/// Records one architecture: its file's `record`.
type Record = fn(&Checkpoint) -> Result<(Graph, Limits)>;

/// Every architecture by Hugging Face's `model_type`.
const MODELS: &[(&str, Record)] = &[
    ("llama", llama::record),
    // Mistral without a sliding window and SOLAR are Llama blocks; SOLAR says so itself.
    ("mistral", llama::record),
];

/// Records the checkpoint's architecture.
///
/// # Errors
/// `unsupported` for an architecture that is not in the list; `bad_file` where tensors do not fit the configuration.
pub fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let known = MODELS.iter().find(|(model_type, _)| *model_type == checkpoint.model_type);
    let (_, record) = known.ok_or_else(|| {
        Error::unsupported(
            checkpoint.model_type.clone(),
            format!("doran does not know the architecture {:?}", checkpoint.model_type),
        )
    })?;
    record(checkpoint)
}
