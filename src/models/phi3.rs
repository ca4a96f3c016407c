//! Phi-3 (Abdin et al. 2024; Hugging Face `modeling_phi3.py`): Llama's blocks, with q, k and v in one tensor and gate and up in
//! another; heads may rotate in part, by LongRoPE where the context is long.

use super::Limits;
use super::blocks::{attend, fused_gated_mlp};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, Recorder};

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let dims = Dims { max_position_embeddings: config.u32_or("max_position_embeddings", 4096)?, ..dims };
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    let mask = dims.window(config.optional("sliding_window")?);
    let spec = AttentionSpec { mask, ..dims.attention() };
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, eps)?;
        let parts = [dims.q_width(), dims.kv_width(), dims.kv_width()];
        let qkv = g.linears(&name("self_attn.qkv_proj"), h, 1, parts, false)?;
        let h = attend(&mut g, &name("self_attn"), qkv, Some(table), spec)?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, false)?;
        x = g.add(x, h);

        // MLP
        let h = g.rms_norm(&name("post_attention_layernorm"), x, eps)?;
        let h = fused_gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size])?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    config.finish(g, &dims, x, Head::USUAL)
}
