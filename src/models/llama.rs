//! Llama (Touvron et al. 2023; Hugging Face `modeling_llama.py`), and what is built of the same blocks: Llama 2 and 3,
//! Mistral, SOLAR, HyperCLOVA X SEED, SmolLM2.
//!
//! A block is attention and a gated MLP, each after a norm, each added to the residual stream:
//! `x += o_proj(attention(q, k, v)); x += down_proj(silu(gate_proj(h)) · up_proj(h))`.

use serde::Deserialize;

use super::Limits;
use super::config::{self, RopeScaling, rope_inv_freq};
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, Recorder};
use crate::ops::attention::Mask;

/// `config.json`, in Hugging Face's names.
#[derive(Debug, Deserialize)]
struct LlamaConfig {
    vocab_size: u32,
    hidden_size: u32,
    intermediate_size: u32,
    num_hidden_layers: u32,
    num_attention_heads: u32,
    num_key_value_heads: Option<u32>,
    head_dim: Option<u32>,
    max_position_embeddings: u32,
    rms_norm_eps: f32,
    #[serde(default = "default_rope_theta")]
    rope_theta: f64,
    rope_scaling: Option<RopeScaling>,
    partial_rotary_factor: Option<f64>,
    #[serde(default = "default_hidden_act")]
    hidden_act: String,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    sliding_window: Option<u32>,
}

fn default_rope_theta() -> f64 {
    10_000.0
}

fn default_hidden_act() -> String {
    "silu".to_owned()
}

impl LlamaConfig {
    fn check(&self) -> Result<()> {
        let kv_heads = self.kv_heads();
        let positive = [self.vocab_size, self.hidden_size, self.intermediate_size, self.num_hidden_layers];
        if positive.contains(&0) || self.num_attention_heads == 0 || kv_heads == 0 || self.head_dim() == 0 {
            return Err(Error::bad_file("the model's configuration has a dimension of 0"));
        }
        if !self.num_attention_heads.is_multiple_of(kv_heads) {
            return Err(Error::bad_file(format!(
                "{} attention heads cannot share {kv_heads} key/value heads",
                self.num_attention_heads
            )));
        }
        if self.num_attention_heads.checked_mul(self.head_dim()).is_none() {
            return Err(Error::bad_file(format!(
                "{} attention heads of {} values are more than a model can have",
                self.num_attention_heads,
                self.head_dim()
            )));
        }
        if !(0.0..=1.0).contains(&self.rotary_fraction()) {
            return Err(Error::bad_file(format!(
                "partial_rotary_factor must be between 0 and 1, not {}",
                self.rotary_fraction()
            )));
        }
        if !self.head_dim().is_multiple_of(2) || !self.rotary_dim().is_multiple_of(2) {
            let what = format!("{} rotary dimensions in heads of {}", self.rotary_dim(), self.head_dim());
            return Err(Error::unsupported(what.clone(), format!("{what}: doran rotates values in pairs")));
        }
        if self.hidden_act != "silu" {
            let what = format!("hidden_act {}", self.hidden_act);
            return Err(Error::unsupported(what.clone(), format!("doran does not run Llama models with {what}")));
        }
        Ok(())
    }

    fn kv_heads(&self) -> u32 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn rotary_fraction(&self) -> f64 {
        self.partial_rotary_factor.unwrap_or(1.0)
    }

    /// `int(head_dim · partial_rotary_factor)`; a factor that was written as a quotient may lie a rounding below it.
    fn rotary_dim(&self) -> u32 {
        (f64::from(self.head_dim()) * self.rotary_fraction() + 1e-6) as u32
    }

    fn head_dim(&self) -> u32 {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }
}

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config: LlamaConfig = config::parse(&checkpoint.config)?;
    config.check()?;
    let (heads, kv_heads, head_dim) = (config.num_attention_heads, config.kv_heads(), config.head_dim());
    let mut g = Recorder::new(checkpoint);

    let inv_freq = rope_inv_freq(config.rotary_dim(), config.rope_theta, config.rope_scaling.as_ref())?;
    // GGUF files of Llama 3 carry the scaling as divisors of the frequencies.
    let divisors = Some("rope_freqs.weight").filter(|name| g.has(name));
    let rope = g.rope_table(inv_freq, 1.0, divisors)?;
    let mask = config.sliding_window.filter(|n| *n < config.max_position_embeddings).map_or(Mask::Causal, Mask::Window);
    let attention = AttentionSpec { heads, kv_heads, head_dim, scale: (f64::from(head_dim).powf(-0.5)) as f32, mask };

    let mut x = g.embedding("model.embed_tokens", config.vocab_size, config.hidden_size)?;
    for layer in 0..config.num_hidden_layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, config.rms_norm_eps)?;
        let q = g.linear(&name("self_attn.q_proj"), h, heads * head_dim, config.attention_bias)?;
        let k = g.linear(&name("self_attn.k_proj"), h, kv_heads * head_dim, config.attention_bias)?;
        let v = g.linear(&name("self_attn.v_proj"), h, kv_heads * head_dim, config.attention_bias)?;
        let q = g.rope(q, heads, head_dim, rope);
        let k = g.rope(k, kv_heads, head_dim, rope);
        let h = g.attention(&name("self_attn"), [q, k, v], attention)?;
        let h = g.linear(&name("self_attn.o_proj"), h, config.hidden_size, config.attention_bias)?;
        x = g.add(x, h);

        // MLP
        let h = g.rms_norm(&name("post_attention_layernorm"), x, config.rms_norm_eps)?;
        let gate = g.linear(&name("mlp.gate_proj"), h, config.intermediate_size, config.mlp_bias)?;
        let up = g.linear(&name("mlp.up_proj"), h, config.intermediate_size, config.mlp_bias)?;
        let gate = g.silu(gate);
        let h = g.mul(gate, up);
        let h = g.linear(&name("mlp.down_proj"), h, config.hidden_size, config.mlp_bias)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, config.rms_norm_eps)?;
    let head = if config.tie_word_embeddings { "model.embed_tokens" } else { "lm_head" };
    let graph = g.finish(head, x, config.vocab_size)?;
    let limits = Limits { vocab_size: config.vocab_size, max_position_embeddings: config.max_position_embeddings };
    Ok((graph, limits))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::ErrorKind;

    fn config(changes: Value) -> Result<LlamaConfig> {
        let mut config = json!({
            "vocab_size": 100, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
            "num_attention_heads": 4, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
        });
        for (key, value) in changes.as_object().expect("an object") {
            config[key] = value.clone();
        }
        let config: LlamaConfig = config::parse(config.as_object().expect("an object"))?;
        config.check().map(|()| config)
    }

    #[test]
    fn a_rotary_part_is_counted_as_it_was_meant() {
        // 2 / 98 · 98 lies below 2 in f64.
        for (rotary_dim, head_dim) in [(2, 98), (32, 128), (16, 16), (0, 16)] {
            let factor = f64::from(rotary_dim) / f64::from(head_dim);
            let config = config(json!({ "head_dim": head_dim, "partial_rotary_factor": factor })).expect("valid");
            assert_eq!(config.rotary_dim(), rotary_dim);
        }
    }

    #[test]
    fn what_no_kernel_can_do_is_refused() {
        let kind = |changes: Value| config(changes).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind(json!({})), Ok(()));
        assert_eq!(kind(json!({ "head_dim": 15 })), Err(ErrorKind::Unsupported));
        assert_eq!(kind(json!({ "head_dim": 1 })), Err(ErrorKind::Unsupported));
        assert_eq!(kind(json!({ "head_dim": 16, "partial_rotary_factor": 0.2 })), Err(ErrorKind::Unsupported));
        assert_eq!(kind(json!({ "partial_rotary_factor": 4.0 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "partial_rotary_factor": -1.0 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "head_dim": 65_536, "num_attention_heads": 65_536 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "num_key_value_heads": 3 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "vocab_size": 0 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "vocab_size": 4_294_967_296u64 })), Err(ErrorKind::BadFile));
    }
}
