//! EXAONE 3 (LG AI Research 2024; `modeling_exaone.py`, beside its weights): Llama's blocks under names of their own. And
//! EXAONE 4 (LG AI Research 2025; Hugging Face `modeling_exaone4.py`): norms come after attention and MLP, q and k are normed
//! head by head, and where some layers look back over a window only, the others do not rotate.

use super::Limits;
use super::blocks::{attend, gated_mlp, gated_mlp_of, qkv};
use super::config::{Config, Dims, Head, unsupported};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, NormSpec, Recorder};

/// Records an EXAONE 3.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn exaone(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32_or("intermediate_size", hidden_size.saturating_mul(4))?;
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("transformer.wte", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("transformer.h.{layer}.{module}");

        // Attention
        let h = g.rms_norm(&name("ln_1"), x, eps)?;
        let qkv = qkv(&mut g, &name("attn.attention"), h, &dims, false, 0)?;
        let h = attend(&mut g, &name("attn"), qkv, Some(table), dims.attention())?;
        let h = g.linear(&name("attn.attention.out_proj"), h, hidden_size, false)?;
        x = g.add(x, h);

        // MLP
        let h = g.rms_norm(&name("ln_2"), x, eps)?;
        let modules = [name("mlp.c_fc_0"), name("mlp.c_fc_1"), name("mlp.c_proj")];
        let h = gated_mlp_of(&mut g, modules, h, act, [intermediate_size, hidden_size], false)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("transformer.ln_f", x, eps)?;
    config.finish(g, &dims, x, Head { embedding: "transformer.wte", tied: true, ..Head::USUAL })
}

/// Records an EXAONE 4.
pub(super) fn exaone4(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(32), None)?;
    let Dims { vocab_size, hidden_size, heads, kv_heads, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    // A GGUF file that does not speak of a window has none.
    let said = config.has("sliding_window") || config.is_gguf()?;
    let window = if said { config.optional("sliding_window")? } else { Some(4096) };
    let sliding = sliding(config, &dims, window)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let slides = sliding[layer as usize];
        let rope = Some(table).filter(|_| slides || window.is_none());
        let spec = AttentionSpec { mask: dims.window(window.filter(|_| slides)), ..dims.attention() };

        // Attention
        let [q, k, v] = qkv(&mut g, &name("self_attn"), x, &dims, false, 0)?;
        let q = g.norm(&name("self_attn.q_norm"), q, NormSpec::rms_of_heads(heads, eps))?;
        let k = g.norm(&name("self_attn.k_norm"), k, NormSpec::rms_of_heads(kv_heads, eps))?;
        let h = attend(&mut g, &name("self_attn"), [q, k, v], rope, spec)?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, false)?;
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

/// Which layers look back over the window: all but every `sliding_window_pattern`th, or as its letters say in turn (`LLLG`).
fn sliding(config: Config<'_>, dims: &Dims, window: Option<u32>) -> Result<Vec<bool>> {
    let letters = config.get("sliding_window_pattern").and_then(|value| value.as_str());
    if let Some(other) = letters.and_then(|letters| letters.chars().find(|c| !matches!(c, 'L' | 'G'))) {
        return Err(unsupported(format!("sliding_window_pattern {other}")));
    }
    let letters = letters.unwrap_or_default().as_bytes();
    let every = if letters.is_empty() { config.u32_or("sliding_window_pattern", 4)? } else { 0 };
    config.sliding_layers(dims, |layer| match (window, letters.len()) {
        (None, _) => false,
        (Some(_), 0) => every > 0 && (layer + 1) % every != 0,
        (Some(_), n) => letters[layer as usize % n] == b'L',
    })
}
