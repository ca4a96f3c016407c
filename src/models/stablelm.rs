//! StableLM (Bellagente et al. 2024; Hugging Face `modeling_stablelm.py`): Llama's blocks with layer norms, and heads that rotate in
//! part; q and k may be normed by a weight for each head, and attention and MLP may be added side by side.

use super::Limits;
use super::blocks::{attend, gated_mlp, qkv};
use super::config::{Config, Dims, Head};
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{NormSpec, Recorder, Var};

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(32), None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32("intermediate_size")?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("silu")?;
    let bias = config.bool_or("use_qkv_bias", false)?;
    let qk_norm = config.bool_or("qk_layernorm", false)?;
    let parallel = config.bool_or("use_parallel_residual", false)?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 0.25)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?;

    let mut x = g.embedding("model.embed_tokens", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let normed = g.layer_norm(&name("input_layernorm"), x, eps, true)?;

        // Attention
        let [mut q, mut k, v] = qkv(&mut g, &name("self_attn"), normed, &dims, bias, 0)?;
        if qk_norm {
            let norm = |heads| NormSpec { heads, shared: false, ..NormSpec::layer(eps) };
            q = norm_of_heads(&mut g, &name("self_attn.q_layernorm"), q, norm(dims.heads))?;
            k = norm_of_heads(&mut g, &name("self_attn.k_layernorm"), k, norm(dims.kv_heads))?;
        }
        let h = attend(&mut g, &name("self_attn"), [q, k, v], Some(table), dims.attention())?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, false)?;
        x = g.add(x, h);

        // MLP
        let h = if parallel { normed } else { g.layer_norm(&name("post_attention_layernorm"), x, eps, true)? };
        let h = gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size], false)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("model.norm", x, eps, true)?;
    config.finish(g, &dims, x, Head::USUAL)
}

/// A norm of each head by its own weight: a tensor a head, or, in GGUF, one for all.
fn norm_of_heads(g: &mut Recorder<'_>, module: &str, x: Var, norm: NormSpec) -> Result<Var> {
    if g.has(&format!("{module}.weight")) {
        return g.norm(module, x, norm);
    }
    g.norm_by_heads(&format!("{module}.norms"), x, norm)
}
