//! OPT (Zhang et al. 2022; Hugging Face `modeling_opt.py`): learned positions, the first in row 2; layer norms before attention and
//! MLP, or, in the 350 million, after them; embeddings may be narrower than the layers.

use super::Limits;
use super::blocks::{attend, mlp, qkv};
use super::config::{Config, Dims, Head};
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
    let dims = config.dims(None, None)?.ungrouped();
    let Dims { vocab_size, hidden_size, .. } = dims;
    // Row of the first position: the two before it are for padding.
    const FIRST: u32 = 2;
    let intermediate_size = config.u32("intermediate_size")?;
    let act = config.activation("relu")?;
    let bias = config.bool_or("enable_bias", true)?;
    let affine = config.bool_or("layer_norm_elementwise_affine", true)?;
    let norm = NormSpec { weight: affine, bias: affine, ..NormSpec::layer(1e-5) };
    let before = config.bool_or("do_layer_norm_before", true)?;
    let final_norm = before && !config.bool_or("_remove_final_layer_norm", false)?;
    let embedding_width = config.u32_or("word_embed_proj_dim", hidden_size)?;
    let mut g = Recorder::new(checkpoint);
    let root = if g.has("decoder.embed_tokens.weight") { "decoder" } else { "model.decoder" };
    let embedding = format!("{root}.embed_tokens");

    let mut x = g.embedding(&embedding, vocab_size, embedding_width)?;
    if embedding_width != hidden_size {
        x = g.linear(&format!("{root}.project_in"), x, hidden_size, false)?;
    }
    let rows = dims.max_position_embeddings.saturating_add(FIRST);
    let positions = g.positions(&format!("{root}.embed_positions"), rows, hidden_size, FIRST)?;
    x = g.add(x, positions);
    for layer in 0..dims.layers {
        let name = |module: &str| format!("{root}.layers.{layer}.{module}");

        // Attention
        let h = if before { g.norm(&name("self_attn_layer_norm"), x, norm)? } else { x };
        let qkv = qkv(&mut g, &name("self_attn"), h, &dims, bias, 0)?;
        let h = attend(&mut g, &name("self_attn"), qkv, None, dims.attention())?;
        let h = g.linear(&name("self_attn.out_proj"), h, hidden_size, bias)?;
        x = g.add(x, h);
        if !before {
            x = g.norm(&name("self_attn_layer_norm"), x, norm)?;
        }

        // MLP
        let h = if before { g.norm(&name("final_layer_norm"), x, norm)? } else { x };
        let h = mlp(&mut g, [name("fc1"), name("fc2")], h, act, [intermediate_size, hidden_size], bias)?;
        x = g.add(x, h);
        if !before {
            x = g.norm(&name("final_layer_norm"), x, norm)?;
        }
    }
    let mut x = g.select_outputs(x);
    if final_norm {
        x = g.norm(&format!("{root}.final_layer_norm"), x, norm)?;
    }
    if embedding_width != hidden_size {
        x = g.linear(&format!("{root}.project_out"), x, embedding_width, false)?;
    }
    config.finish(g, &dims, x, Head { embedding: &embedding, tied: true, ..Head::USUAL })
}
