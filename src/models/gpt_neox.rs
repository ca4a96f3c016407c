//! GPT-NeoX (Black et al. 2022; Hugging Face `modeling_gpt_neox.py`), and Polyglot-Ko and Pythia of it: attention and MLP may be
//! added side by side, each after a norm of its own; a part of each head rotates; q, k and v stand in one tensor, head by head.

use super::Limits;
use super::blocks::{attend, mlp};
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
    let dims = config.dims(None, None)?.ungrouped();
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32_or("intermediate_size", 24_576)?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("gelu")?;
    let bias = config.bool_or("attention_bias", true)?;
    let parallel = config.bool_or("use_parallel_residual", true)?;
    let groups = if config.is_gguf()? { 1 } else { dims.heads };
    let rotary = config.f64_or("partial_rotary_factor", config.f64_or("rotary_pct", 0.25)?)?;
    let rotary_dim = dims.rotary_dim(rotary)?;
    let theta = config.f64_or("rotary_emb_base", 10_000.0)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", theta))?;

    let mut x = g.embedding("gpt_neox.embed_in", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("gpt_neox.layers.{layer}.{module}");

        // Attention
        let h = g.layer_norm(&name("input_layernorm"), x, eps, true)?;
        let qkv = g.linears(&name("attention.query_key_value"), h, groups, [dims.q_width(); 3], bias)?;
        let h = attend(&mut g, &name("attention"), qkv, Some(table), dims.attention())?;
        let h = g.linear(&name("attention.dense"), h, hidden_size, bias)?;
        let attended = g.add(x, h);

        // MLP
        let h = if parallel { x } else { attended };
        let h = g.layer_norm(&name("post_attention_layernorm"), h, eps, true)?;
        let modules = [name("mlp.dense_h_to_4h"), name("mlp.dense_4h_to_h")];
        let h = mlp(&mut g, modules, h, act, [intermediate_size, hidden_size], true)?;
        x = g.add(attended, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("gpt_neox.final_layer_norm", x, eps, true)?;
    config.finish(g, &dims, x, Head { embedding: "gpt_neox.embed_in", module: "embed_out", ..Head::USUAL })
}
