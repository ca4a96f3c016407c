//! T5 (Raffel et al. 2020; Hugging Face `modeling_t5.py`): an encoder reads a text and a decoder answers it. Norms divide by the
//! root mean square, before attention and MLP; there are no biases, and scores are not scaled; positions are a bias on scores by
//! distance, the same in all layers of a half. Version 1.1 and FLAN have a gate in the MLP and a head of their own.

use super::Limits;
use super::blocks::{gated_mlp_of, mlp};
use super::config::{Config, Dims, activation, unsupported};
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, Buckets, Recorder, Var};
use crate::ops::attention::Mask;
use crate::ops::elementwise::Function;

/// What both halves are made by.
struct Model {
    dims: Dims,
    intermediate_size: u32,
    eps: f32,
    gated: bool,
    act: Function,
}

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    config.answers(checkpoint)?;
    let dims = config.dims(None, Some(64))?.ungrouped();
    let dims = Dims { max_position_embeddings: config.u32_or("max_position_embeddings", 512)?, ..dims };
    let Dims { vocab_size, hidden_size, max_position_embeddings, .. } = dims;
    let (gated, act) = feed_forward(config)?;
    let eps = config.f32_or("rms_norm_eps", 1e-6)?;
    let model = Model { dims, intermediate_size: config.u32_or("intermediate_size", 2048)?, eps, gated, act };
    let decoder_layers = Dims { layers: config.u32_or("num_decoder_layers", dims.layers)?, ..dims }.checked()?.layers;
    let buckets = |bidirectional: bool| -> Result<Buckets> {
        let num_buckets = config.u32_or("relative_attention_num_buckets", 32)?;
        Ok(Buckets { num_buckets, max_distance: config.u32_or("relative_attention_max_distance", 128)?, bidirectional })
    };
    let plain = AttentionSpec { scale: 1.0, ..dims.attention() };
    let over_source = AttentionSpec { mask: Mask::All, ..plain };
    let mut g = Recorder::new(checkpoint);
    // One table by several names; files leave some of them away.
    let names = ["shared", "encoder.embed_tokens", "decoder.embed_tokens"];
    let shared = names.into_iter().find(|name| g.has(&format!("{name}.weight"))).unwrap_or("shared");

    g.source = true;
    let table = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias";
    let bias = Some(g.bias_table(table, dims.heads, buckets(true)?)?);
    let mut x = g.embedding(shared, vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("encoder.block.{layer}.layer.{module}");
        x = model.attention(&mut g, &name("0"), x, AttentionSpec { bias, ..over_source })?;
        x = model.mlp(&mut g, &name("1"), x)?;
    }
    let read = g.rms_norm("encoder.final_layer_norm", x, eps)?;
    g.encoded(read);

    let mut sources = Vec::new();
    for layer in 0..decoder_layers {
        let name = |module: &str| format!("decoder.block.{layer}.layer.1.EncDecAttention.{module}");
        let k = g.linear(&name("k"), read, dims.kv_width(), false)?;
        let v = g.linear(&name("v"), read, dims.kv_width(), false)?;
        sources.push(g.write_kv(k, v, over_source));
    }

    let table = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias";
    let bias = Some(g.bias_table(table, dims.heads, buckets(false)?)?);
    let mut x = g.embedding(shared, vocab_size, hidden_size)?;
    for (layer, source) in sources.into_iter().enumerate() {
        let name = |module: &str| format!("decoder.block.{layer}.layer.{module}");
        x = model.attention(&mut g, &name("0"), x, AttentionSpec { bias, ..plain })?;

        // Attention to what was read
        let h = g.rms_norm(&name("1.layer_norm"), x, eps)?;
        let q = g.linear(&name("1.EncDecAttention.q"), h, dims.q_width(), false)?;
        let h = g.attention_over(&name("1.EncDecAttention"), q, source, over_source)?;
        let h = g.linear(&name("1.EncDecAttention.o"), h, hidden_size, false)?;
        x = g.add(x, h);

        x = model.mlp(&mut g, &name("2"), x)?;
    }
    let x = g.select_outputs(x);
    let mut x = g.rms_norm("decoder.final_layer_norm", x, eps)?;
    // transformers 5 says whether; before, it went with the head. Who made a GGUF file tied scales nothing.
    let tied = config.bool_or("tie_word_embeddings", true)? && !config.is_gguf()?;
    if config.bool_or("scale_decoder_outputs", tied)? {
        x = g.scale(x, f64::from(hidden_size).powf(-0.5) as f32);
    }
    let head = if g.has("lm_head.weight") { "lm_head" } else { shared };
    let logits = g.logits(&format!("{head}.weight"), None, x, vocab_size)?;
    Ok((g.finish(logits), Limits { vocab_size, max_position_embeddings }))
}

impl Model {
    /// `x += o(attention(q(h), k(h), v(h)))` with the norm `h` of `x`.
    fn attention(&self, g: &mut Recorder<'_>, at: &str, x: Var, spec: AttentionSpec) -> Result<Var> {
        let Dims { hidden_size, .. } = self.dims;
        let name = |module: &str| format!("{at}.SelfAttention.{module}");
        let h = g.rms_norm(&format!("{at}.layer_norm"), x, self.eps)?;
        let mut linear = |module: &str| g.linear(&name(module), h, self.dims.q_width(), false);
        let qkv = [linear("q")?, linear("k")?, linear("v")?];
        let h = g.attention(&format!("{at}.SelfAttention"), qkv, spec)?;
        let h = g.linear(&name("o"), h, hidden_size, false)?;
        Ok(g.add(x, h))
    }

    /// `x += wo(act(wi(h)))`, or with a gate `x += wo(act(wi_0(h)) · wi_1(h))`.
    fn mlp(&self, g: &mut Recorder<'_>, at: &str, x: Var) -> Result<Var> {
        let name = |module: &str| format!("{at}.DenseReluDense.{module}");
        let sizes = [self.intermediate_size, self.dims.hidden_size];
        let h = g.rms_norm(&format!("{at}.layer_norm"), x, self.eps)?;
        let h = if self.gated {
            gated_mlp_of(g, ["wi_0", "wi_1", "wo"].map(name), h, self.act, sizes, false)?
        } else {
            // GGUF has one name for both (`format/gguf/archs.rs`).
            let first = if g.has(&format!("{}.weight", name("wi"))) { "wi" } else { "wi_1" };
            mlp(g, [first, "wo"].map(name), h, self.act, sizes, false)?
        };
        Ok(g.add(x, h))
    }
}

/// Whether the MLP has a gate, and its activation: `feed_forward_proj` as `configuration_t5.py` reads it.
fn feed_forward(config: Config<'_>) -> Result<(bool, Function)> {
    if config.is_gguf()? {
        // Left unsaid (llama.cpp `llama-model.cpp`, T5).
        let gated = config.bool_or("is_gated_act", false)?;
        return Ok((gated, if gated { Function::GeluTanh } else { Function::Relu }));
    }
    let proj = config.str_or("feed_forward_proj", "relu")?;
    match proj.strip_prefix("gated-") {
        Some("gelu") => Ok((true, Function::GeluTanh)),
        Some(act) => Ok((true, activation(act)?)),
        None if proj.contains('-') => Err(unsupported(format!("feed_forward_proj {proj}"))),
        None => Ok((false, activation(proj)?)),
    }
}
