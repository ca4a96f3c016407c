//! OLMo (Groeneveld et al. 2024; Hugging Face `modeling_olmo.py`): Llama's blocks with layer norms that have no weights. And
//! OLMo 2 (OLMo et al. 2024; `modeling_olmo2.py`): root-mean-square norms after attention and MLP, and of q and k as a whole.

use super::Limits;
use super::blocks::{attend, gated_mlp, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{NormSpec, Recorder};

/// Records an OLMo.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn olmo(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let act = config.activation("silu")?;
    let bias = config.bool_or("attention_bias", false)?;
    let clip = config.optional_f64("clip_qkv")?;
    // Not stated by configurations.
    let norm = NormSpec { weight: false, ..NormSpec::layer(1e-5) };
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let h = g.norm(&name("input_layernorm"), x, norm)?;
        let mut qkv = qkv(&mut g, &name("self_attn"), h, &dims, bias, 0)?;
        if let Some(limit) = clip {
            qkv = qkv.map(|x| g.clamp(x, limit as f32));
        }
        let h = attend(&mut g, &name("self_attn"), qkv, Some(table), dims.attention())?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, bias)?;
        x = g.add(x, h);

        // MLP
        let h = g.norm(&name("post_attention_layernorm"), x, norm)?;
        let h = gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size], false)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.norm("model.norm", x, norm)?;
    config.finish(g, &dims, x, Head::USUAL)
}

/// Records an OLMo 2.
pub(super) fn olmo2(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    let bias = config.bool_or("attention_bias", false)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let [q, k, v] = qkv(&mut g, &name("self_attn"), x, &dims, bias, 0)?;
        let q = g.rms_norm(&name("self_attn.q_norm"), q, eps)?;
        let k = g.rms_norm(&name("self_attn.k_norm"), k, eps)?;
        let h = attend(&mut g, &name("self_attn"), [q, k, v], Some(table), dims.attention())?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, bias)?;
        let h = g.rms_norm(&name("post_attention_layernorm"), h, eps)?;
        x = g.add(x, h);

        // MLP
        let h = gated_mlp(&mut g, &name("mlp"), x, act, [intermediate_size, hidden_size], false)?;
        let h = g.rms_norm(&name("post_feedforward_layernorm"), h, eps)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    config.finish(g, &dims, x, Head::USUAL)
}
