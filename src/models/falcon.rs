//! Falcon (Almazrouei et al. 2023; Hugging Face `modeling_falcon.py`): attention and MLP may be added side by side, after one norm or
//! each after its own; queries share one key and value, or a few; heads rotate or have linear biases (Press et al. 2022); q, k
//! and v stand in one tensor, group by group.

use super::Limits;
use super::blocks::{attend, mlp};
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
    let dims = config.dims(None, None)?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32_or("intermediate_size", hidden_size.saturating_mul(4))?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("gelu")?;
    let bias = config.bool_or("bias", false)?;
    let new = config.bool_or("new_decoder_architecture", false)?;
    let parallel = config.bool_or("parallel_attn", true)?;
    // Only the newer ones have two norms; `two_norms` is what GGUF tells.
    let norms = config.u32_or("num_ln_in_parallel_attn", if config.bool_or("two_norms", new)? { 2 } else { 1 })?;
    let two_norms = new && parallel && norms == 2;
    // What the older ones say of groups does not count.
    let kv_heads = match (new, config.bool_or("multi_query", true)?) {
        (true, _) => dims.kv_heads,
        (false, true) => 1,
        (false, false) => dims.heads,
    };
    let dims = Dims { kv_heads, ..dims };
    let groups = if config.is_gguf()? { 1 } else { kv_heads };
    let alibi = config.bool_or("alibi", false)?;
    let mut spec = dims.attention();
    if alibi {
        // Biases are scaled as scores are.
        spec = AttentionSpec { alibi: spec.scale, alibi_bf16: true, ..spec };
    }
    let mut g = Recorder::new(checkpoint);
    let table = match alibi {
        true => None,
        false => {
            let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
            Some(rope::table(&mut g, config, &dims, rotary_dim, ("full_attention", 10_000.0))?)
        }
    };

    let mut x = g.embedding("transformer.word_embeddings", vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("transformer.h.{layer}.{module}");
        // Where there are two norms GGUF calls the MLP's what otherwise is the only one's name.
        let mlp_norm = ["ln_mlp", "input_layernorm"].map(name);
        let [own, only] = &mlp_norm;
        let mlp_norm = if g.has(&format!("{own}.weight")) { own } else { only };

        // Attention
        let normed = g.layer_norm(&if two_norms { name("ln_attn") } else { name("input_layernorm") }, x, eps, true)?;
        let parts = [dims.q_width(), dims.kv_width(), dims.kv_width()];
        let qkv = g.linears(&name("self_attention.query_key_value"), normed, groups, parts, bias)?;
        let h = attend(&mut g, &name("self_attention"), qkv, table, spec)?;
        let h = g.linear(&name("self_attention.dense"), h, hidden_size, bias)?;
        let attended = g.add(x, h);

        // MLP
        let h = match (parallel, two_norms) {
            (true, true) => g.layer_norm(mlp_norm, x, eps, true)?,
            (true, false) => normed,
            (false, _) => g.layer_norm(&name("post_attention_layernorm"), attended, eps, true)?,
        };
        let modules = [name("mlp.dense_h_to_4h"), name("mlp.dense_4h_to_h")];
        let h = mlp(&mut g, modules, h, act, [intermediate_size, hidden_size], bias)?;
        x = g.add(attended, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("transformer.ln_f", x, eps, true)?;
    config.finish(g, &dims, x, Head { embedding: "transformer.word_embeddings", tied: true, ..Head::USUAL })
}
