//! gpt-oss (OpenAI 2025, § 2; Hugging Face `modeling_gpt_oss.py`): a mixture of experts in each layer, with a SwiGLU of its own
//! and biases everywhere; attention heads have sinks, and every second layer looks back over a window.

use serde_json::json;

use super::Limits;
use super::blocks::{attend, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, ExpertModule, Packed, Recorder, Var};

/// The rotary base where none is stated.
const THETA: f64 = 150_000.0;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(8), Some(64))?;
    let Dims { vocab_size, hidden_size, heads, .. } = dims;
    let eps = config.f32_or("rms_norm_eps", 1e-5)?;
    let bias = config.bool_or("attention_bias", true)?;
    let window = if config.has("sliding_window") { config.optional("sliding_window")? } else { Some(128) };
    let sliding = config.sliding_layers(&dims, |layer| layer % 2 == 0)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let sinks = if config.is_gguf()? { "self_attn.sinks.weight" } else { "self_attn.sinks" };
    let mut g = Recorder::new(checkpoint);
    let table = match ["rope_theta", "rope_scaling", "gguf"].iter().any(|key| config.has(key)) {
        true => rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", THETA))?,
        // What nothing means.
        false => {
            let yarn = json!({ "rope_type": "yarn", "factor": 32.0, "truncate": false, "original_max_position_embeddings": 4096 });
            let yarn = yarn.as_object().map(Config::of);
            rope::plain_or_scaled(&mut g, config, &dims, rotary_dim, THETA, yarn)?
        }
    };

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let mask = dims.window(window.filter(|_| sliding[layer as usize]));
        let spec = AttentionSpec { mask, sinks: Some(g.vector(&name(sinks), heads)?), ..dims.attention() };

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, eps)?;
        let qkv = qkv(&mut g, &name("self_attn"), h, &dims, bias, 0)?;
        let h = attend(&mut g, &name("self_attn"), qkv, Some(table), spec)?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, bias)?;
        x = g.add(x, h);

        // Experts
        let h = g.rms_norm(&name("post_attention_layernorm"), x, eps)?;
        let h = experts(&mut g, config, &name("mlp"), h, hidden_size)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    config.finish(g, &dims, x, Head::USUAL)
}

/// The mixture of experts: `h: [tokens, hidden_size]` → the same.
fn experts(g: &mut Recorder<'_>, config: Config<'_>, at: &str, h: Var, hidden_size: u32) -> Result<Var> {
    let intermediate_size = config.u32_or("intermediate_size", 2880)?;
    let (alpha, limit) = (config.f32_or("swiglu_alpha", 1.702)?, config.f32_or("swiglu_limit", 7.0)?);
    let experts = &format!("{at}.experts");
    // Hugging Face has columns of gate and up by turns in one tensor.
    let module = |linear, tensor, first, period| {
        let packed = Some(Packed { tensor, first, period });
        ExpertModule { experts, linear, packed }
    };
    let gate = module("gate_proj", "gate_up_proj", 0, 2);
    let up = module("up_proj", "gate_up_proj", 1, 2);
    let down = module("down_proj", "down_proj", 0, 1);

    let logits = g.linear(&format!("{at}.router"), h, config.u32_or("num_experts", 128)?, true)?;
    let routes = g.route(at, logits, config.u32_or("num_experts_per_tok", 4)?, true)?;
    let gate = g.expert_linear(gate, routes, h, [hidden_size, intermediate_size], true)?;
    let up = g.expert_linear(up, routes, h, [hidden_size, intermediate_size], true)?;
    let h = g.clamped_swiglu(gate, up, alpha, limit);
    let h = g.expert_linear(down, routes, h, [intermediate_size, hidden_size], true)?;
    Ok(g.expert_sum(at, routes, h, hidden_size))
}
