//! Qwen's mixtures of experts: Qwen 2's, with an expert that all tokens share (Hugging Face `modeling_qwen2_moe.py`), and
//! Qwen 3's (`modeling_qwen3_moe.py`). Some layers may have a plain MLP.

use super::Limits;
use super::config::{Config, Dims};
use super::llama::{self, Variant};
use super::mixture::{Mixture, sparse_layers};
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;

/// Records a Qwen 2 MoE.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn qwen2(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(16), None)?;
    let shared = config.u32_or("shared_expert_intermediate_size", 5632)?;
    let mixture = Mixture { shared: Some(shared), ..mixture(config, &dims, [60, 4, 1408], false)? };
    let windowed = config.u32_or("max_window_layers", 28)?;
    let variant = Variant::new(config, dims)?;
    let variant = variant.slides(config, Some(4096), |layer| layer % 2 == 0 && layer < windowed)?;
    let biases = (config.bool_or("qkv_bias", true)?, false);
    let intermediate_size = Some(5632);
    llama::record(
        checkpoint,
        &Variant { biases, mlp_bias: false, intermediate_size, mixture: Some(mixture), ..variant },
    )
}

/// Records a Qwen 3 MoE.
pub(super) fn qwen3(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(4), None)?;
    // GGUF does not say it, and means that they are.
    let mixture = Some(mixture(config, &dims, [128, 8, 768], config.is_gguf()?)?);
    let variant = Variant::new(config, dims)?.slides(config, Some(4096), |_| true)?;
    let intermediate_size = Some(6144);
    llama::record(checkpoint, &Variant { qk_norm: true, mlp_bias: false, intermediate_size, mixture, ..variant })
}

/// The mixture, with transformers' defaults for experts, experts of a token, and their width.
fn mixture(
    config: Config<'_>,
    dims: &Dims,
    [experts, chosen, intermediate_size]: [u32; 3],
    normalised: bool,
) -> Result<Mixture> {
    let experts = config.u32_or("num_experts", experts)?;
    Ok(Mixture {
        module: "mlp",
        router: "gate",
        linears: ["gate_proj", "up_proj", "down_proj"],
        experts,
        chosen: config.u32_or("num_experts_per_tok", chosen)?,
        normalised: config.bool_or("norm_topk_prob", normalised)?,
        intermediate_size: config.u32_or("moe_intermediate_size", intermediate_size)?,
        shared: None,
        layers: sparse_layers(config, dims, experts)?,
    })
}
