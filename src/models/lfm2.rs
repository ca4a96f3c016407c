//! LFM2 (Liquid AI 2025; Hugging Face `modeling_lfm2.py`): layers of short convolutions between gates, and some of attention,
//! with norms of each head's q and k.

use super::Limits;
use super::blocks::{attend, gated_mlp_of, qkv};
use super::config::{Config, Dims, Head, unsupported};
use super::rope;
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{NormSpec, Recorder};
use crate::ops::elementwise::Function;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(8), None)?;
    let Dims { vocab_size, hidden_size, heads, kv_heads, .. } = dims;
    let widths = [intermediate_size(config)?, hidden_size];
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let (taps, bias) = (config.u32_or("conv_L_cache", 3)?, config.bool_or("conv_bias", false)?);
    let attends = attention_layers(config, &dims)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let theta = config.f64_or("theta", 1e6)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", theta))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let h = g.rms_norm(&name("operator_norm"), x, eps)?;
        let h = if attends[layer as usize] {
            // Attention
            let [q, k, v] = qkv(&mut g, &name("self_attn"), h, &dims, false, 0)?;
            let q = g.norm(&name("self_attn.q_layernorm"), q, NormSpec::rms_of_heads(heads, eps))?;
            let k = g.norm(&name("self_attn.k_layernorm"), k, NormSpec::rms_of_heads(kv_heads, eps))?;
            let h = attend(&mut g, &name("self_attn"), [q, k, v], Some(table), dims.attention())?;
            g.linear(&name("self_attn.out_proj"), h, hidden_size, false)?
        } else {
            // Convolution between two gates
            let [before, after, h] = g.linears(&name("conv.in_proj"), h, 1, [hidden_size; 3], bias)?;
            let h = g.mul(before, h);
            let h = g.short_conv(&name("conv.conv"), h, taps, bias)?;
            let h = g.mul(after, h);
            g.linear(&name("conv.out_proj"), h, hidden_size, bias)?
        };
        x = g.add(x, h);

        // MLP
        let h = g.rms_norm(&name("ffn_norm"), x, eps)?;
        let modules = ["w1", "w3", "w2"].map(|linear| name(&format!("feed_forward.{linear}")));
        let h = gated_mlp_of(&mut g, modules, h, Function::Silu, widths, false)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.embedding_norm", x, eps)?;
    config.finish(g, &dims, x, Head { tied: true, ..Head::USUAL })
}

/// Which layers attend: by `layer_types`, or those in `full_attn_idxs`, or all.
fn attention_layers(config: Config<'_>, dims: &Dims) -> Result<Vec<bool>> {
    let Some(types) = config.list("layer_types")? else {
        let listed = config.list("full_attn_idxs")?;
        return Ok((0..dims.layers).map(|layer| listed.is_none_or(|list| list.contains(&layer.into()))).collect());
    };
    if types.len() != dims.layers as usize {
        let message = format!("{} layer_types for {} layers", types.len(), dims.layers);
        return Err(Error::bad_file(message).with("key", "layer_types"));
    }
    let attends = |kind: &serde_json::Value| match kind.as_str() {
        Some("full_attention") => Ok(true),
        Some("conv") => Ok(false),
        _ => Err(unsupported(format!("layer type {kind}"))),
    };
    types.iter().map(attends).collect()
}

/// Width of the MLP: what is configured, or two thirds of it, times a factor, rounded up to a multiple.
fn intermediate_size(config: Config<'_>) -> Result<u32> {
    // The first configurations' own name goes before.
    let stated = config.u32_or("block_ff_dim", config.u32_or("intermediate_size", 12_288)?)?;
    if !config.bool_or("block_auto_adjust_ff_dim", !config.is_gguf()?)? {
        return Ok(stated);
    }
    let factor = if config.has("block_ffn_dim_multiplier") {
        config.optional_f64("block_ffn_dim_multiplier")?.unwrap_or(1.0)
    } else {
        1.0
    };
    let two_thirds = (f64::from(stated) * 2.0 / 3.0).floor();
    let width = (two_thirds * factor).floor().clamp(0.0, f64::from(1 << 24)) as u32;
    Ok(width.next_multiple_of(config.u32_or("block_multiple_of", 256)?.clamp(1, 1 << 24)))
}
