//! GPT-Neo (Black et al. 2021; Hugging Face `modeling_gpt_neo.py`): GPT-2 with scores that are not scaled, and layers that look
//! back over a window in turn with those that see everything.

use serde_json::Value;

use super::Limits;
use super::blocks::{attend, mlp, qkv};
use super::config::{Config, Dims, Head, unsupported};
use crate::error::{Error, Result};
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
    let act = config.activation("gelu_new")?;
    let window = config.u32_or("window_size", 256)?;
    let local = local_layers(config, &dims)?;
    let mut g = Recorder::new(checkpoint);
    let root = if g.has("wte.weight") { "" } else { "transformer." };
    let embedding = format!("{root}wte");

    let tokens = g.embedding(&embedding, vocab_size, hidden_size)?;
    let positions = g.positions(&format!("{root}wpe"), dims.max_position_embeddings, hidden_size, 0)?;
    let mut x = g.add(tokens, positions);
    for layer in 0..dims.layers {
        let name = |module: &str| format!("{root}h.{layer}.{module}");
        let mask = dims.window(Some(window).filter(|_| local[layer as usize]));
        let spec = AttentionSpec { scale: 1.0, mask, ..dims.attention() };

        // Attention
        let h = g.layer_norm(&name("ln_1"), x, eps, true)?;
        let qkv = qkv(&mut g, &name("attn.attention"), h, &dims, false, 0)?;
        let h = attend(&mut g, &name("attn"), qkv, None, spec)?;
        let h = g.linear(&name("attn.attention.out_proj"), h, hidden_size, true)?;
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

/// Which layers are local: `attention_layers`, or `attention_types`, a list of (kinds in turn, how often).
fn local_layers(config: Config<'_>, dims: &Dims) -> Result<Vec<bool>> {
    let kind = |kind: &Value| match kind.as_str() {
        Some("local") => Ok(true),
        Some("global") => Ok(false),
        _ => Err(unsupported(format!("attention layer {kind}"))),
    };
    let mut layers = Vec::new();
    if let Some(list) = config.list("attention_layers")? {
        layers = list.iter().map(kind).collect::<Result<_>>()?;
    } else if let Some(types) = config.list("attention_types")? {
        for entry in types {
            let kinds = entry[0].as_array().map_or(&[][..], |kinds| kinds);
            let times = entry[1].as_u64().unwrap_or(0).min(u64::from(dims.layers));
            for _ in 0..times {
                layers.extend(kinds.iter().map(kind).collect::<Result<Vec<_>>>()?);
            }
        }
    } else {
        layers = (0..dims.layers).map(|layer| layer % 2 == 1).collect();
    }
    if layers.len() != dims.layers as usize {
        let message = format!("attention_types for {} of {} layers", layers.len(), dims.layers);
        return Err(Error::bad_file(message).with("key", "attention_types"));
    }
    Ok(layers)
}
