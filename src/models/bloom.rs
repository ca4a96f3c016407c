//! BLOOM (BigScience 2022; Hugging Face `modeling_bloom.py`): attention with linear biases in the place of positions (Press et al.
//! 2022), a norm of the embeddings, and q, k and v in one tensor, head by head.

use super::Limits;
use super::blocks::attend;
use super::config::{Config, Dims, Head};
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
    let dims = config.dims(None, None)?.ungrouped();
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32_or("intermediate_size", hidden_size.saturating_mul(4))?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    // Fixed, and by tanh.
    let act = config.activation("gelu_pytorch_tanh")?;
    let after_norm = config.bool_or("apply_residual_connection_post_layernorm", false)?;
    // Then transformers adds up parts of the last products, and leaves their biases away.
    let in_parts = config.u32_or("pretraining_tp", 1)? > 1 && config.bool_or("slow_but_exact", false)?;
    let bias = !in_parts;
    let spec = AttentionSpec { alibi: 1.0, ..dims.attention() };
    let groups = if config.is_gguf()? { 1 } else { dims.heads };
    let mut g = Recorder::new(checkpoint);
    let root = if g.has("word_embeddings.weight") { "" } else { "transformer." };
    let embedding = format!("{root}word_embeddings");

    let x = g.embedding(&embedding, vocab_size, hidden_size)?;
    let mut x = g.layer_norm(&format!("{root}word_embeddings_layernorm"), x, eps, true)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("{root}h.{layer}.{module}");

        // Attention
        let normed = g.layer_norm(&name("input_layernorm"), x, eps, true)?;
        let qkv = g.linears(&name("self_attention.query_key_value"), normed, groups, [dims.q_width(); 3], true)?;
        let h = attend(&mut g, &name("self_attention"), qkv, None, spec)?;
        let h = g.linear(&name("self_attention.dense"), h, hidden_size, bias)?;
        x = g.add(if after_norm { normed } else { x }, h);

        // MLP
        let normed = g.layer_norm(&name("post_attention_layernorm"), x, eps, true)?;
        let h = g.linear(&name("mlp.dense_h_to_4h"), normed, intermediate_size, true)?;
        let h = g.activation(act, h);
        let h = g.linear(&name("mlp.dense_4h_to_h"), h, hidden_size, bias)?;
        x = g.add(if after_norm { normed } else { x }, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm(&format!("{root}ln_f"), x, eps, true)?;
    config.finish(g, &dims, x, Head { embedding: &embedding, tied: true, ..Head::USUAL })
}
