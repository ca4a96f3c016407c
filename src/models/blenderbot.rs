//! Blenderbot (Roller et al. 2020; Hugging Face `modeling_blenderbot.py`): an encoder reads a conversation and a decoder answers
//! it. Learned positions, layer norms before attention and MLP and after the last layer, biases everywhere, and one on the logits.

use super::Limits;
use super::blocks::mlp;
use super::config::{Config, Dims};
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, Recorder, Var};
use crate::ops::attention::Mask;
use crate::ops::elementwise::Function;

/// As torch's `LayerNorm` has it.
const EPS: f32 = 1e-5;

/// One of the two halves.
struct Half {
    dims: Dims,
    intermediate_size: u32,
    act: Function,
}

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    config.answers(checkpoint)?;
    let (encoder, decoder) = (Half::new(config, "encoder")?, Half::new(config, "decoder")?);
    let Dims { vocab_size, hidden_size, max_position_embeddings, .. } = encoder.dims;
    let scale = if config.bool_or("scale_embedding", false)? { f64::from(hidden_size).sqrt() as f32 } else { 1.0 };
    let mut g = Recorder::new(checkpoint);
    let root = if g.has("shared.weight") { "" } else { "model." };
    let shared = format!("{root}shared");
    let tied = config.bool_or("tie_word_embeddings", true)?;
    let embed = |g: &mut Recorder<'_>, half: &str| {
        // Halves that nothing ties may have tables of their own.
        let own = format!("{root}{half}.embed_tokens");
        let table = if !tied && g.has(&format!("{own}.weight")) { &own } else { &shared };
        let tokens = g.scaled_embedding(table, vocab_size, hidden_size, scale)?;
        let positions =
            g.positions(&format!("{root}{half}.embed_positions"), max_position_embeddings, hidden_size, 0)?;
        Ok(g.add(tokens, positions))
    };

    g.source = true;
    let mut x = embed(&mut g, "encoder")?;
    let spec = AttentionSpec { mask: Mask::All, ..encoder.dims.attention() };
    for layer in 0..encoder.dims.layers {
        let at = format!("{root}encoder.layers.{layer}");
        x = encoder.attention(&mut g, &at, x, spec)?;
        x = encoder.mlp(&mut g, &at, x)?;
    }
    let read = g.layer_norm(&format!("{root}encoder.layer_norm"), x, EPS, true)?;
    g.encoded(read);

    let spec = decoder.dims.attention();
    let over_source = AttentionSpec { mask: Mask::All, ..spec };
    let mut sources = Vec::new();
    for layer in 0..decoder.dims.layers {
        let name = |module: &str| format!("{root}decoder.layers.{layer}.encoder_attn.{module}");
        let k = g.linear(&name("k_proj"), read, decoder.dims.kv_width(), true)?;
        let v = g.linear(&name("v_proj"), read, decoder.dims.kv_width(), true)?;
        sources.push(g.write_kv(k, v, over_source));
    }

    let mut x = embed(&mut g, "decoder")?;
    for (layer, source) in sources.into_iter().enumerate() {
        let at = format!("{root}decoder.layers.{layer}");
        x = decoder.attention(&mut g, &at, x, spec)?;

        // Attention to what was read
        let name = |module: &str| format!("{at}.encoder_attn.{module}");
        let h = g.layer_norm(&format!("{at}.encoder_attn_layer_norm"), x, EPS, true)?;
        let q = g.linear(&name("q_proj"), h, decoder.dims.q_width(), true)?;
        let h = g.attention_over(&format!("{at}.encoder_attn"), q, source, over_source)?;
        let h = g.linear(&name("out_proj"), h, hidden_size, true)?;
        x = g.add(x, h);

        x = decoder.mlp(&mut g, &at, x)?;
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm(&format!("{root}decoder.layer_norm"), x, EPS, true)?;
    let head = if tied { format!("{shared}.weight") } else { "lm_head.weight".to_owned() };
    let bias = Some("final_logits_bias").filter(|name| g.has(name));
    let logits = g.logits(&head, bias, x, vocab_size)?;
    Ok((g.finish(logits), Limits { vocab_size, max_position_embeddings }))
}

impl Half {
    fn new(config: Config<'_>, half: &str) -> Result<Self> {
        let dims = config.dims_of(&format!("{half}_layers"), &format!("{half}_attention_heads"))?;
        let dims = Dims { max_position_embeddings: config.u32_or("max_position_embeddings", 128)?, ..dims };
        Ok(Self { dims, intermediate_size: config.u32(&format!("{half}_ffn_dim"))?, act: config.activation("gelu")? })
    }

    /// `x += out_proj(attention(q_proj(h), k_proj(h), v_proj(h)))` with the norm `h` of `x`.
    fn attention(&self, g: &mut Recorder<'_>, at: &str, x: Var, spec: AttentionSpec) -> Result<Var> {
        let name = |module: &str| format!("{at}.self_attn.{module}");
        let h = g.layer_norm(&format!("{at}.self_attn_layer_norm"), x, EPS, true)?;
        let mut linear = |module: &str| g.linear(&name(module), h, self.dims.q_width(), true);
        let qkv = [linear("q_proj")?, linear("k_proj")?, linear("v_proj")?];
        let h = g.attention(&format!("{at}.self_attn"), qkv, spec)?;
        let h = g.linear(&name("out_proj"), h, self.dims.hidden_size, true)?;
        Ok(g.add(x, h))
    }

    /// `x += fc2(act(fc1(h)))` with the norm `h` of `x`.
    fn mlp(&self, g: &mut Recorder<'_>, at: &str, x: Var) -> Result<Var> {
        let h = g.layer_norm(&format!("{at}.final_layer_norm"), x, EPS, true)?;
        let modules = ["fc1", "fc2"].map(|module| format!("{at}.{module}"));
        let h = mlp(g, modules, h, self.act, [self.intermediate_size, self.dims.hidden_size], true)?;
        Ok(g.add(x, h))
    }
}
