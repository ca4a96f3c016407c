//! StarCoder 2 (Lozhkov et al. 2024; Hugging Face `modeling_starcoder2.py`): layer norms, grouped queries that rotate, an MLP without
//! gate, biases everywhere; layers may look back over a window.

use super::Limits;
use super::blocks::{attend, mlp, qkv};
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
    let dims = config.dims(Some(2), None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("gelu_pytorch_tanh")?;
    let bias = config.bool_or("use_bias", true)?;
    let spec = AttentionSpec { mask: dims.window(config.optional("sliding_window")?), ..dims.attention() };
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let h = g.layer_norm(&name("input_layernorm"), x, eps, true)?;
        let qkv = qkv(&mut g, &name("self_attn"), h, &dims, bias, 0)?;
        let h = attend(&mut g, &name("self_attn"), qkv, Some(table), spec)?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, bias)?;
        x = g.add(x, h);

        // MLP
        let h = g.layer_norm(&name("post_attention_layernorm"), x, eps, true)?;
        let modules = [name("mlp.c_fc"), name("mlp.c_proj")];
        let h = mlp(&mut g, modules, h, act, [intermediate_size, hidden_size], bias)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("model.norm", x, eps, true)?;
    config.finish(g, &dims, x, Head { tied: true, ..Head::USUAL })
}
