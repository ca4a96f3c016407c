//! GPT-2 (Radford et al. 2019; Hugging Face `modeling_gpt2.py`): learned positions, layer norms before attention and MLP, biases
//! everywhere. Hugging Face stores linears as `Conv1D`, by columns, and q, k and v in one tensor.

use super::Limits;
use super::blocks::{attend, mlp};
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
    let dims = Dims { max_position_embeddings: config.u32_or("max_position_embeddings", 1024)?, ..dims };
    let Dims { vocab_size, hidden_size, .. } = dims;
    let intermediate_size = config.u32_or("intermediate_size", hidden_size.saturating_mul(4))?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    let act = config.activation("gelu_new")?;
    let scaled = config.bool_or("scale_attn_weights", true)?;
    let by_layer = config.bool_or("scale_attn_by_inverse_layer_idx", false)?;
    let mut g = Recorder::new(checkpoint);
    g.by_columns = !config.is_gguf()?;
    // Files of the bare model leave the first word away.
    let root = if g.has("wte.weight") { "" } else { "transformer." };
    let embedding = format!("{root}wte");

    let tokens = g.embedding(&embedding, vocab_size, hidden_size)?;
    let positions = g.positions(&format!("{root}wpe"), dims.max_position_embeddings, hidden_size, 0)?;
    let mut x = g.add(tokens, positions);
    for layer in 0..dims.layers {
        let name = |module: &str| format!("{root}h.{layer}.{module}");
        let mut spec = dims.attention();
        if !scaled {
            spec.scale = 1.0;
        }
        if by_layer {
            spec = AttentionSpec { scale: spec.scale / (layer + 1) as f32, ..spec };
        }

        // Attention
        let h = g.layer_norm(&name("ln_1"), x, eps, true)?;
        let qkv = g.linears(&name("attn.c_attn"), h, 1, [dims.q_width(); 3], true)?;
        let h = attend(&mut g, &name("attn"), qkv, None, spec)?;
        let h = g.linear(&name("attn.c_proj"), h, hidden_size, true)?;
        x = g.add(x, h);

        // MLP
        let h = g.layer_norm(&name("ln_2"), x, eps, true)?;
        let modules = [name("mlp.c_fc"), name("mlp.c_proj")];
        let h = mlp(&mut g, modules, h, act, [intermediate_size, hidden_size], true)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm(&format!("{root}ln_f"), x, eps, true)?;
    config.finish(g, &dims, x, Head { embedding: &embedding, tied: true, ..Head::USUAL })
}
