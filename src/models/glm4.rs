//! GLM-4 (GLM et al. 2024; Hugging Face `modeling_glm4.py`): norms before and after attention and MLP; half of each head rotates,
//! as pairs that stand side by side; gate and up are one tensor.

use super::Limits;
use super::blocks::{attend, fused_gated_mlp, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::Recorder;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(2), Some(128))?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("rms_norm_eps", 1.5625e-7)?;
    let act = config.activation("silu")?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 0.5)?)?;
    let mut g = Recorder::new(checkpoint);
    // What it is where it is not said has changed.
    let bias = config.bool_or("attention_bias", g.has("model.layers.0.self_attn.q_proj.bias"))?;
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, eps)?;
        let qkv = qkv(&mut g, &name("self_attn"), h, &dims, bias, rotary_dim)?;
        let h = attend(&mut g, &name("self_attn"), qkv, Some(table), dims.attention())?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, false)?;
        let h = g.rms_norm(&name("post_self_attn_layernorm"), h, eps)?;
        x = g.add(x, h);

        // MLP
        let h = g.rms_norm(&name("post_attention_layernorm"), x, eps)?;
        let h = fused_gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size])?;
        let h = g.rms_norm(&name("post_mlp_layernorm"), h, eps)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    config.finish(g, &dims, x, Head::USUAL)
}
