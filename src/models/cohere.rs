//! Command R (Cohere; Hugging Face `modeling_cohere.py`): attention and MLP read one layer norm without bias and are added side
//! by side; heads rotate as pairs that stand side by side; logits are scaled. Command R7B (`modeling_cohere2.py`) looks back over a
//! window in three of four layers, and does not rotate in the fourth.

use super::Limits;
use super::blocks::{attend, gated_mlp, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, NormSpec, Recorder};

/// Records a Command R.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn cohere(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let theta = if config.is_gguf()? { 10_000.0 } else { 500_000.0 };
    record(checkpoint, config, &dims, (config.bool_or("use_qk_norm", false)?, theta), None)
}

/// Records a Command R7B.
pub(super) fn cohere2(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let every = config.optional("sliding_window_pattern")?.or(config.optional("_sliding_window_pattern")?);
    let every = every.unwrap_or(4).max(1);
    let sliding = config.sliding_layers(&dims, |layer| (layer + 1) % every != 0)?;
    let window = if config.has("sliding_window") { config.optional("sliding_window")? } else { Some(4096) };
    let sliding = sliding.into_iter().map(|slides| slides && window.is_some()).collect();
    record(checkpoint, config, &dims, (false, 10_000.0), Some((sliding, window)))
}

/// Whether q and k are normed, and the rotary base where none is stated. `sliding` says which layers look back over how much, and rotate; without it all see everything and rotate.
fn record(
    checkpoint: &Checkpoint,
    config: Config<'_>,
    dims: &Dims,
    (qk_norm, rope_theta): (bool, f64),
    sliding: Option<(Vec<bool>, Option<u32>)>,
) -> Result<(Graph, Limits)> {
    let Dims { vocab_size, hidden_size, heads, kv_heads, .. } = *dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    let bias = config.bool_or("attention_bias", false)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, dims, rotary_dim, ("full_attention", rope_theta))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let (rotates, window) = match &sliding {
            Some((sliding, window)) => (sliding[layer as usize], window.filter(|_| sliding[layer as usize])),
            None => (true, None),
        };
        let spec = AttentionSpec { mask: dims.window(window), ..dims.attention() };
        let h = g.layer_norm(&name("input_layernorm"), x, eps, false)?;

        // Attention
        let [mut q, mut k, v] = qkv(&mut g, &name("self_attn"), h, dims, bias, rotary_dim)?;
        if qk_norm {
            let norm = |heads| NormSpec { heads, shared: false, rotary_dim, ..NormSpec::layer(eps) };
            q = g.norm(&name("self_attn.q_norm"), q, norm(heads))?;
            k = g.norm(&name("self_attn.k_norm"), k, norm(kv_heads))?;
        }
        let attended = attend(&mut g, &name("self_attn"), [q, k, v], Some(table).filter(|_| rotates), spec)?;
        let attended = g.linear(&name("self_attn.o_proj"), attended, hidden_size, bias)?;

        // MLP
        let h = gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size], false)?;
        x = g.add(x, attended);
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("model.norm", x, eps, false)?;
    let x = g.scale(x, config.f32_or("logit_scale", 0.0625)?);
    config.finish(g, dims, x, Head { tied: true, ..Head::USUAL })
}
