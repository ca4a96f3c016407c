//! What configurations have in common: reading `config.json`'s keys, and the dimensions and activations that they state.
//! Defaults are those of transformers' `configuration_*.py`, and stand where a model reads the key.

use serde_json::{Map, Value};

use super::Limits;
pub(super) use super::dims::Dims;
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{Recorder, Var};
use crate::ops::elementwise::Function;

/// Other names of a key, as transformers' `attribute_map` has them.
const ALIASES: &[(&str, &[&str])] = &[
    ("hidden_size", &["n_embd", "n_embed", "d_model"]),
    ("intermediate_size", &["n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"]),
    ("head_dim", &["d_kv"]),
    ("num_hidden_layers", &["n_layer", "num_layers"]),
    ("num_attention_heads", &["n_head", "num_heads"]),
    ("num_key_value_heads", &["num_kv_heads", "n_head_kv"]),
    ("max_position_embeddings", &["n_positions", "seq_length", "context_length"]),
    ("hidden_act", &["activation_function", "activation"]),
    ("layer_norm_eps", &["layer_norm_epsilon", "norm_epsilon"]),
    ("rms_norm_eps", &["layer_norm_epsilon", "norm_eps"]),
    ("num_experts", &["num_local_experts"]),
    ("tie_word_embeddings", &["tie_embedding"]),
];

/// `config.json`, or the same keys translated from GGUF.
#[derive(Clone, Copy)]
pub(super) struct Config<'a>(&'a Map<String, Value>);

impl<'a> Config<'a> {
    pub fn new(checkpoint: &'a Checkpoint) -> Self {
        Self(&checkpoint.config)
    }

    /// These keys.
    pub fn of(keys: &'a Map<String, Value>) -> Self {
        Self(keys)
    }

    /// Whether the key is there, be it null.
    pub fn has(self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The value of a key or of another name of it. Null is nothing.
    pub fn get(self, key: &str) -> Option<&'a Value> {
        let others = ALIASES.iter().find(|(name, _)| *name == key).map_or(&[][..], |(_, others)| others);
        let values = std::iter::once(&key).chain(others).filter_map(|key| self.0.get(*key));
        values.into_iter().find(|value| !value.is_null())
    }

    /// The numbers of a nested object.
    pub fn object(self, key: &str) -> Option<Config<'a>> {
        self.get(key).and_then(Value::as_object).map(Config)
    }

    fn read<T>(self, key: &str, what: &str, read: fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let wrong = |value: &Value| Error::bad_file(format!("{key} must be {what}, not {value}")).with("key", key);
        self.get(key).map(|value| read(value).ok_or_else(|| wrong(value))).transpose()
    }

    pub fn optional(self, key: &str) -> Result<Option<u32>> {
        self.read(key, "an integer of at most 32 bits, not negative", |v| v.as_u64().and_then(|n| n.try_into().ok()))
    }

    pub fn u32(self, key: &str) -> Result<u32> {
        self.optional(key)?.ok_or_else(|| Error::bad_file(format!("the configuration has no {key}")).with("key", key))
    }

    pub fn u32_or(self, key: &str, default: u32) -> Result<u32> {
        Ok(self.optional(key)?.unwrap_or(default))
    }

    pub fn optional_f64(self, key: &str) -> Result<Option<f64>> {
        self.read(key, "a finite number", |v| v.as_f64().filter(|x| x.is_finite()))
    }

    pub fn f64_or(self, key: &str, default: f64) -> Result<f64> {
        Ok(self.optional_f64(key)?.unwrap_or(default))
    }

    pub fn f32_or(self, key: &str, default: f32) -> Result<f32> {
        Ok(self.optional_f64(key)?.map_or(default, |x| x as f32))
    }

    pub fn bool_or(self, key: &str, default: bool) -> Result<bool> {
        Ok(self.read(key, "true or false", Value::as_bool)?.unwrap_or(default))
    }

    pub fn str_or(self, key: &str, default: &'a str) -> Result<&'a str> {
        Ok(self.read(key, "a string", Value::as_str)?.unwrap_or(default))
    }

    pub fn list(self, key: &str) -> Result<Option<&'a Vec<Value>>> {
        self.read(key, "a list", Value::as_array)
    }

    /// A list of numbers, none of them 0.
    pub fn numbers(self, key: &str) -> Result<Vec<f64>> {
        let list = self.list(key)?.map_or(&[][..], |list| list);
        let number = |v: &Value| v.as_f64().filter(|x| x.is_finite() && *x != 0.0);
        let numbers: Option<Vec<f64>> = list.iter().map(number).collect();
        numbers.ok_or_else(|| Error::bad_file(format!("{key} must be a list of numbers")).with("key", key))
    }

    /// Whether the checkpoint was a GGUF file, whose layout differs from Hugging Face's: norm weights have Gemma's 1 added,
    /// `Conv1D` is transposed, and q, k and v of all heads stand one after the other.
    pub fn is_gguf(self) -> Result<bool> {
        self.bool_or("gguf", false)
    }

    /// The dimensions. `kv_heads` and `head_dim` are what a configuration means that does not have the key: `None` as many
    /// as heads, and the hidden size divided among them.
    pub fn dims(self, kv_heads: Option<u32>, head_dim: Option<u32>) -> Result<Dims> {
        let heads = self.u32("num_attention_heads")?;
        let unsaid = |key: &str, default: Option<u32>| default.filter(|_| !self.has(key));
        let kv_heads = self.optional("num_key_value_heads")?.or(unsaid("num_key_value_heads", kv_heads));
        let head_dim = self.optional("head_dim")?.or(unsaid("head_dim", head_dim));
        let hidden_size = self.u32("hidden_size")?;
        let dims = Dims {
            vocab_size: self.u32("vocab_size")?,
            hidden_size,
            layers: self.u32("num_hidden_layers")?,
            heads,
            kv_heads: kv_heads.unwrap_or(heads),
            head_dim: head_dim.unwrap_or(hidden_size / heads.max(1)),
            max_position_embeddings: self.u32_or("max_position_embeddings", 2048)?,
        };
        dims.check()?;
        if head_dim.is_none() && hidden_size % heads != 0 {
            return Err(Error::bad_file(format!("a hidden_size of {hidden_size} cannot be shared by {heads} heads")));
        }
        Ok(dims)
    }

    /// The dimensions of one of two halves, whose heads have keys and values of their own, by the keys of its layers and heads.
    pub fn dims_of(self, layers: &str, heads: &str) -> Result<Dims> {
        let (layers, heads) = (self.u32(layers)?, self.u32(heads)?);
        let hidden_size = self.u32("hidden_size")?;
        let dims = Dims {
            vocab_size: self.u32("vocab_size")?,
            hidden_size,
            layers,
            heads,
            kv_heads: heads,
            head_dim: hidden_size / heads.max(1),
            max_position_embeddings: self.u32_or("max_position_embeddings", 2048)?,
        };
        dims.check()?;
        if hidden_size % heads != 0 {
            return Err(Error::bad_file(format!("a hidden_size of {hidden_size} cannot be shared by {heads} heads")));
        }
        Ok(dims)
    }

    /// Refuses what is no encoder with a decoder that answers.
    pub fn answers(self, checkpoint: &Checkpoint) -> Result<()> {
        if !self.bool_or("is_encoder_decoder", true)? {
            return Err(unsupported(format!("is_encoder_decoder false in a {}", checkpoint.model_type)));
        }
        if checkpoint.generation.decoder_start_token_id.is_none() {
            let message = "the configuration has no decoder_start_token_id: answers have no beginning";
            return Err(Error::bad_file(message).with("key", "decoder_start_token_id"));
        }
        Ok(())
    }

    /// The dimensions of a model without attention, as if it had one head. Where it does not say how long a text it takes, that
    /// is what llama.cpp's converter says of Mamba.
    pub fn dims_without_heads(self) -> Result<Dims> {
        let hidden_size = self.u32("hidden_size")?;
        let dims = Dims {
            vocab_size: self.u32("vocab_size")?,
            hidden_size,
            layers: self.u32("num_hidden_layers")?,
            heads: 1,
            kv_heads: 1,
            head_dim: hidden_size,
            max_position_embeddings: self.u32_or("max_position_embeddings", 1 << 20)?,
        };
        dims.check()?;
        Ok(dims)
    }

    /// `hidden_act`, or what stands for it.
    pub fn activation(self, default: &'a str) -> Result<Function> {
        activation(self.str_or("hidden_act", default)?)
    }

    /// Which layers slide, by `layer_types` or where that is not said by `default`.
    pub fn sliding_layers(self, dims: &Dims, default: impl Fn(u32) -> bool) -> Result<Vec<bool>> {
        let Some(types) = self.list("layer_types")? else { return Ok((0..dims.layers).map(default).collect()) };
        if types.len() != dims.layers as usize {
            let message = format!("{} layer_types for {} layers", types.len(), dims.layers);
            return Err(Error::bad_file(message).with("key", "layer_types"));
        }
        let slides = |kind: &Value| match kind.as_str() {
            Some("sliding_attention") => Ok(true),
            Some("full_attention") => Ok(false),
            _ => Err(unsupported(format!("layer type {kind}"))),
        };
        types.iter().map(slides).collect()
    }

    /// Ends a decoder: the norm of its last layer's output is `x: [outputs, hidden_size]`; `tied` is what
    /// `tie_word_embeddings` means where it is not said.
    pub fn finish(self, mut g: Recorder<'_>, dims: &Dims, x: Var, head: Head<'_>) -> Result<(Graph, Limits)> {
        let Head { embedding, module, bias, tied, soft_cap } = head;
        let tied = self.bool_or("tie_word_embeddings", tied)?;
        let weight = format!("{}.weight", if tied { embedding } else { module });
        let name = format!("{module}.bias");
        let mut logits = g.logits(&weight, bias.then_some(name.as_str()), x, dims.vocab_size)?;
        if let Some(cap) = soft_cap {
            logits = g.soft_cap(logits, cap);
        }
        let limits = Limits { vocab_size: dims.vocab_size, max_position_embeddings: dims.max_position_embeddings };
        Ok((g.finish(logits), limits))
    }
}

/// How logits come of the last norm.
pub(super) struct Head<'a> {
    /// The module of the token embedding, and of the head where it is not tied to it.
    pub embedding: &'a str,
    pub module: &'a str,
    pub bias: bool,
    pub tied: bool,
    pub soft_cap: Option<f32>,
}

impl Head<'static> {
    /// The usual names, neither tied nor biased.
    pub const USUAL: Self =
        Self { embedding: "model.embed_tokens", module: "lm_head", bias: false, tied: false, soft_cap: None };
}

/// What transformers' `ACT2FN` calls `name`.
pub(super) fn activation(name: &str) -> Result<Function> {
    Ok(match name {
        "silu" | "swish" => Function::Silu,
        "gelu" | "gelu_python" => Function::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" => Function::GeluTanh,
        "quick_gelu" => Function::QuickGelu,
        "relu" => Function::Relu,
        "relu2" => Function::SquaredRelu,
        "sigmoid" => Function::Sigmoid,
        other => return Err(unsupported(format!("hidden_act {other}"))),
    })
}

/// The error for a variant that no model file knows.
pub(super) fn unsupported(what: String) -> Error {
    let message = format!("doran does not run models with {what}");
    Error::unsupported(what, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;

    fn dims(changes: &Value) -> Result<Dims> {
        let mut config = json!({
            "vocab_size": 100, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
            "num_attention_heads": 4, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
        });
        for (key, value) in changes.as_object().expect("an object") {
            config[key] = value.clone();
        }
        Config(config.as_object().expect("an object")).dims(None, None)
    }

    #[test]
    fn a_rotary_part_is_counted_as_it_was_meant() {
        // 2 / 98 · 98 lies below 2 in f64.
        for (rotary_dim, head_dim) in [(2, 98), (32, 128), (16, 16), (0, 16), (4, 15)] {
            let dims = dims(&json!({ "head_dim": head_dim })).expect("valid");
            assert_eq!(dims.rotary_dim(f64::from(rotary_dim) / f64::from(head_dim)), Ok(rotary_dim));
        }
    }

    #[test]
    fn what_no_kernel_can_do_is_refused() {
        let kind = |changes: Value| dims(&changes).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(kind(json!({})), Ok(()));
        assert_eq!(kind(json!({ "num_attention_heads": 65_536, "head_dim": 65_536 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "num_key_value_heads": 3 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "num_attention_heads": 3 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "vocab_size": 0 })), Err(ErrorKind::BadFile));
        assert_eq!(kind(json!({ "vocab_size": 4_294_967_296u64 })), Err(ErrorKind::BadFile));
        let rotary = |head_dim: u32, factor: f64| {
            let dims = dims(&json!({ "head_dim": head_dim })).expect("valid");
            dims.rotary_dim(factor).map_err(|error| error.kind())
        };
        assert_eq!(rotary(15, 1.0), Err(ErrorKind::Unsupported));
        assert_eq!(rotary(1, 1.0), Err(ErrorKind::Unsupported));
        assert_eq!(rotary(16, 0.2), Err(ErrorKind::Unsupported));
        assert_eq!(rotary(16, 4.0), Err(ErrorKind::BadFile));
        assert_eq!(rotary(16, -1.0), Err(ErrorKind::BadFile));
        assert_eq!(activation("wobble").map_err(|error| error.kind()), Err(ErrorKind::Unsupported));
    }

    #[test]
    fn a_key_has_other_names_and_null_is_nothing() {
        let config = json!({ "n_embd": 32, "n_inner": null, "num_key_value_heads": null, "n_head": 4 });
        let config = Config(config.as_object().expect("an object"));
        assert_eq!(config.u32("hidden_size"), Ok(32));
        assert_eq!(config.optional("intermediate_size"), Ok(None));
        assert!(config.has("num_key_value_heads") && !config.has("head_dim"));
        assert_eq!(config.u32("vocab_size").map_err(|error| error.kind()), Err(ErrorKind::BadFile));
    }
}
