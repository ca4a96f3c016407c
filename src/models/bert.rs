//! BERT (Devlin et al. 2018; Hugging Face `modeling_bert.py`) as an encoder of texts, and XLM-RoBERTa (Conneau et al. 2019;
//! `modeling_xlm_roberta.py`), whose positions count the tokens that are not padding. Layer norms after attention and MLP, biases
//! everywhere. A text is one segment: all its rows are of type 0.

use super::Limits;
use super::blocks::mlp;
use super::config::{Config, Dims, unsupported};
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, Recorder};
use crate::ops::attention::Mask;

/// Records a BERT.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn bert(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    record(checkpoint, "bert.", None)
}

/// Records an XLM-RoBERTa: the rows of positions up to `pad_token_id` are padding's.
pub(super) fn xlm_roberta(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let pad = Config::new(checkpoint).u32_or("pad_token_id", 1)?;
    record(checkpoint, "roberta.", Some(pad))
}

/// `root` is what models with heads have before their names; `padding` the token that has no position.
fn record(checkpoint: &Checkpoint, root: &str, padding: Option<u32>) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims =
        Dims { max_position_embeddings: config.u32_or("max_position_embeddings", 512)?, ..config.dims(None, None)? };
    let dims = dims.ungrouped();
    let Dims { vocab_size, hidden_size, max_position_embeddings, .. } = dims;
    check(config)?;
    let first = padding.map_or(0, |padding| padding.saturating_add(1));
    let longest = max_position_embeddings.checked_sub(first).filter(|longest| *longest > 0).ok_or_else(|| {
        let message = format!("of {max_position_embeddings} positions the first {first} are none");
        Error::bad_file(message).with("key", "max_position_embeddings")
    })?;
    let intermediate_size = config.u32_or("intermediate_size", 3072)?;
    let types = config.u32_or("type_vocab_size", 2)?;
    let eps = config.f32_or("layer_norm_eps", 1e-12)?;
    let act = config.activation("gelu")?;
    let spec = AttentionSpec { mask: Mask::All, ..dims.attention() };
    let mut g = Recorder::new(checkpoint);
    g.source = true;
    let root = if g.has("embeddings.word_embeddings.weight") { "" } else { root };
    let embedding = |module: &str| format!("{root}embeddings.{module}");

    let tokens = g.embedding(&embedding("word_embeddings"), vocab_size, hidden_size)?;
    let kinds = g.fixed_row(&embedding("token_type_embeddings"), types, hidden_size, 0)?;
    let module = &embedding("position_embeddings");
    let positions = match padding {
        Some(padding) => g.positions_past_padding(module, max_position_embeddings, hidden_size, padding)?,
        None => g.positions(module, max_position_embeddings, hidden_size, 0)?,
    };
    let x = g.add(tokens, kinds);
    let x = g.add(x, positions);
    let mut x = g.layer_norm(&embedding("LayerNorm"), x, eps, true)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("{root}encoder.layer.{layer}.{module}");

        // Attention
        let mut linear = |module: &str| g.linear(&name(&format!("attention.self.{module}")), x, dims.q_width(), true);
        let qkv = [linear("query")?, linear("key")?, linear("value")?];
        let h = g.attention(&name("attention"), qkv, spec)?;
        let h = g.linear(&name("attention.output.dense"), h, hidden_size, true)?;
        x = g.add(x, h);
        x = g.layer_norm(&name("attention.output.LayerNorm"), x, eps, true)?;

        // MLP
        let modules = [name("intermediate.dense"), name("output.dense")];
        let h = mlp(&mut g, modules, x, act, [intermediate_size, hidden_size], true)?;
        x = g.add(x, h);
        x = g.layer_norm(&name("output.LayerNorm"), x, eps, true)?;
    }
    let pooled = g.pool(x);
    Ok((g.finish(pooled), Limits { vocab_size, max_position_embeddings: longest }))
}

/// Refuses what other models of the family do.
fn check(config: Config<'_>) -> Result<()> {
    for key in ["is_decoder", "add_cross_attention"] {
        if config.bool_or(key, false)? {
            return Err(unsupported(format!("{key} in an encoder")));
        }
    }
    match config.str_or("position_embedding_type", "absolute")? {
        "absolute" => {}
        other => return Err(unsupported(format!("position_embedding_type {other}"))),
    }
    match config.get("pruned_heads").and_then(|heads| heads.as_object()) {
        Some(heads) if !heads.is_empty() => Err(unsupported("pruned_heads".to_owned())),
        _ => Ok(()),
    }
}
