//! Granite (Hugging Face `modeling_granite.py`) and HyperCLOVA X Think (`modeling_hyperclovax.py`, beside its weights): Llama's
//! blocks with the multipliers of maximal update parametrisation (Yang et al. 2022, table 8) on embeddings, scores, what is
//! added to the residual stream, and logits. HyperCLOVA X may norm once more what it adds.

use super::Limits;
use super::blocks::{attend, gated_mlp, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, Recorder};

/// Records a Granite, which divides its logits.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn granite(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let scores = config.f32_or("attention_multiplier", 1.0)?;
    record(checkpoint, config, Some(scores), 1.0 / config.f32_or("logits_scaling", 1.0)?, false)
}

/// Records a HyperCLOVA X Think, which multiplies its logits.
pub(super) fn hyperclovax(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let scores = config.optional_f64("attention_multiplier")?.map(|x| x as f32);
    // What it is where it is not said has changed.
    let has_norms = checkpoint.tensors.iter().any(|tensor| tensor.name == "model.layers.0.post_norm1.weight");
    let post_norms = config.bool_or("use_post_norm", has_norms)?;
    record(checkpoint, config, scores, config.f32_or("logits_scaling", 1.0)?, post_norms)
}

fn record(
    checkpoint: &Checkpoint,
    config: Config<'_>,
    scores: Option<f32>,
    logits: f32,
    post_norms: bool,
) -> Result<(Graph, Limits)> {
    let dims = config.dims(None, None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("rms_norm_eps", 1e-6)?;
    let act = config.activation("silu")?;
    let (bias, mlp_bias) = (config.bool_or("attention_bias", false)?, config.bool_or("mlp_bias", false)?);
    let residual = config.f32_or("residual_multiplier", 1.0)?;
    let spec = dims.attention();
    let spec = AttentionSpec { scale: scores.unwrap_or(spec.scale), ..spec };
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let embedding = config.f32_or("embedding_multiplier", 1.0)?;
    let mut x = g.scaled_embedding("model.embed_tokens", vocab_size, hidden_size, embedding)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, eps)?;
        let qkv = qkv(&mut g, &name("self_attn"), h, &dims, bias, 0)?;
        let h = attend(&mut g, &name("self_attn"), qkv, Some(table), spec)?;
        let mut h = g.linear(&name("self_attn.o_proj"), h, hidden_size, bias)?;
        if post_norms {
            h = g.rms_norm(&name("post_norm1"), h, eps)?;
        }
        x = g.add_scaled(x, h, residual);

        // MLP
        let h = g.rms_norm(&name("post_attention_layernorm"), x, eps)?;
        let mut h = gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size], mlp_bias)?;
        if post_norms {
            h = g.rms_norm(&name("post_norm2"), h, eps)?;
        }
        x = g.add_scaled(x, h, residual);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    let x = g.scale(x, logits);
    config.finish(g, &dims, x, Head::USUAL)
}
