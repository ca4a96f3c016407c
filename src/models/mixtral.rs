//! Mixtral (Jiang et al. 2024; Hugging Face `modeling_mixtral.py`): Mistral with a mixture of experts in each layer.

use super::Limits;
use super::config::Config;
use super::llama::{self, Variant};
use super::mixture::Mixture;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(8), None)?;
    let mixture = Mixture {
        module: "block_sparse_moe",
        router: "gate",
        linears: ["w1", "w3", "w2"],
        experts: config.u32_or("num_experts", 8)?,
        chosen: config.u32_or("num_experts_per_tok", 2)?,
        normalised: true,
        intermediate_size: config.u32_or("intermediate_size", 14_336)?,
        shared: None,
        layers: vec![true; dims.layers as usize],
    };
    let variant = Variant {
        rope_theta: 1e6,
        eps: 1e-5,
        biases: (false, false),
        intermediate_size: Some(14_336),
        mixture: Some(mixture),
        window: config.optional("sliding_window")?,
        ..Variant::new(config, dims)?
    };
    llama::record(checkpoint, &variant)
}
