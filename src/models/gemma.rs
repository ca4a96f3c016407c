//! Gemma (Gemma Team 2024; Hugging Face `modeling_gemma.py`): Llama's blocks with GELU gates, embeddings times the root of the
//! hidden size, and norms that multiply by 1 and their weight. Gemma 2 (`modeling_gemma2.py`) norms before and after attention
//! and MLP, caps scores and logits softly, and every second layer looks back over a window only. Gemma 3 (Gemma Team 2025;
//! `modeling_gemma3.py`) norms q and k head by head, five of six layers slide, and those rotate by a table of their own.

use super::Limits;
use super::blocks::{attend, gated_mlp, qkv};
use super::config::{Config, Dims, Head, activation, unsupported};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, NormSpec, Recorder};

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Version {
    One,
    Two,
    Three,
}

/// Records a Gemma.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn gemma(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    record(checkpoint, Version::One, 16)
}

/// Records a Gemma 2.
pub(super) fn gemma2(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    record(checkpoint, Version::Two, 4)
}

/// Records a Gemma 3 that reads text only.
pub(super) fn gemma3(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    record(checkpoint, Version::Three, 4)
}

fn record(checkpoint: &Checkpoint, version: Version, kv_heads: u32) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(kv_heads), Some(256))?;
    let Dims { vocab_size, hidden_size, heads, kv_heads, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("rms_norm_eps", 1e-6)?;
    let (key, tanh) = (if version == Version::One { "hidden_act" } else { "hidden_activation" }, "gelu_pytorch_tanh");
    let act = match config.str_or(key, tanh)? {
        // In the first Gemmas' files, which mean the other.
        "gelu" if version == Version::One => activation(tanh)?,
        name => activation(name)?,
    };
    let bias = config.bool_or("attention_bias", false)?;
    if config.bool_or("use_bidirectional_attention", false)? {
        return Err(unsupported("use_bidirectional_attention".to_owned()));
    }
    let cap = |key: &str, default: f32| match config.has(key) || version != Version::Two {
        true => Ok(config.optional_f64(key)?.map(|x| x as f32)),
        false => Ok(Some(default)),
    };
    let (score_cap, logit_cap) = match version {
        Version::One => (None, None),
        Version::Two => (cap("attn_logit_softcapping", 50.0)?, cap("final_logit_softcapping", 30.0)?),
        // What configurations say of scores is not read.
        Version::Three => (None, cap("final_logit_softcapping", 0.0)?),
    };
    let mut spec = AttentionSpec { soft_cap: score_cap.unwrap_or(0.0), ..dims.attention() };
    let (mut window, mut sliding) = (None, vec![false; dims.layers as usize]);
    if version > Version::One {
        spec.scale = config.f64_or("query_pre_attn_scalar", 256.0)?.powf(-0.5) as f32;
        window = Some(config.u32_or("sliding_window", 4096)?);
        let pattern = config.optional("sliding_window_pattern")?.or(config.optional("_sliding_window_pattern")?);
        let every = if version == Version::Two { 2 } else { pattern.unwrap_or(6).max(1) };
        sliding = config.sliding_layers(&dims, |layer| (layer + 1) % every != 0)?;
    }
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    g.norm_weights_plus = if config.is_gguf()? { 0.0 } else { 1.0 };
    let theta = if version == Version::Three { 1e6 } else { 10_000.0 };
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", theta))?;
    let mut local = table;
    if version == Version::Three {
        // Scaling is for the layers that see everything.
        let own = config.object("rope_parameters").and_then(|kinds| kinds.object("sliding_attention"));
        let theta = config.f64_or("rope_local_base_freq", 10_000.0)?;
        let theta = own.map_or(Ok(theta), |own| own.f64_or("rope_theta", theta))?;
        local = rope::plain_or_scaled(&mut g, config, &dims, rotary_dim, theta, own)?;
    }

    let root = (f64::from(hidden_size)).sqrt() as f32;
    let mut x = g.scaled_embedding("model.embed_tokens", vocab_size, hidden_size, root)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let slides = sliding[layer as usize];
        let spec = AttentionSpec { mask: dims.window(window.filter(|_| slides)), ..spec };

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, eps)?;
        let [mut q, mut k, v] = qkv(&mut g, &name("self_attn"), h, &dims, bias, 0)?;
        if version == Version::Three {
            q = g.norm(&name("self_attn.q_norm"), q, NormSpec::rms_of_heads(heads, eps))?;
            k = g.norm(&name("self_attn.k_norm"), k, NormSpec::rms_of_heads(kv_heads, eps))?;
        }
        let rope = if slides { local } else { table };
        let h = attend(&mut g, &name("self_attn"), [q, k, v], Some(rope), spec)?;
        let mut h = g.linear(&name("self_attn.o_proj"), h, hidden_size, bias)?;
        if version > Version::One {
            h = g.rms_norm(&name("post_attention_layernorm"), h, eps)?;
        }
        x = g.add(x, h);

        // MLP
        let before = if version == Version::One { "post_attention_layernorm" } else { "pre_feedforward_layernorm" };
        let h = g.rms_norm(&name(before), x, eps)?;
        let mut h = gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size], false)?;
        if version > Version::One {
            h = g.rms_norm(&name("post_feedforward_layernorm"), h, eps)?;
        }
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    config.finish(g, &dims, x, Head { tied: true, soft_cap: logit_cap, ..Head::USUAL })
}
