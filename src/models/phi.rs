//! Phi-1 and Phi-2 (Gunasekar et al. 2023; Hugging Face `modeling_phi.py`): attention and MLP read one layer norm and are added side
//! by side; a part of each head rotates; biases everywhere.

use super::Limits;
use super::blocks::{attend, mlp, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{NormSpec, Recorder};

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("gelu_new")?;
    let qk_norm = config.bool_or("qk_layernorm", false)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 0.5)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let h = g.layer_norm(&name("input_layernorm"), x, eps, true)?;

        // Attention
        let [mut q, mut k, v] = qkv(&mut g, &name("self_attn"), h, &dims, true, 0)?;
        if qk_norm {
            let norm = |heads| NormSpec { heads, bias: true, ..NormSpec::layer(eps) };
            q = g.norm(&name("self_attn.q_layernorm"), q, norm(dims.heads))?;
            k = g.norm(&name("self_attn.k_layernorm"), k, norm(dims.kv_heads))?;
        }
        let attended = attend(&mut g, &name("self_attn"), [q, k, v], Some(table), dims.attention())?;
        let attended = g.linear(&name("self_attn.dense"), attended, hidden_size, true)?;

        // MLP
        let modules = [name("mlp.fc1"), name("mlp.fc2")];
        let h = mlp(&mut g, modules, h, act, [intermediate_size, hidden_size], true)?;
        x = g.add(x, attended);
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("model.final_layernorm", x, eps, true)?;
    config.finish(g, &dims, x, Head { bias: true, ..Head::USUAL })
}
