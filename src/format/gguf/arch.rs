//! What GGUF calls things, per architecture, becomes what Hugging Face calls them.
//!
//! Sources: llama.cpp `gguf-py/gguf/constants.py` and `tensor_mapping.py` for the GGUF side, the `transformers`
//! implementation of each `model_type` for the other; the tables themselves are in `archs.rs`.

use serde_json::{Map, Value, json};

use super::archs::ARCHS;
use super::metadata::Metadata;
use crate::error::{Error, Result};
use crate::format::RowMap;

/// Pairs of names: GGUF's and Hugging Face's.
pub(super) type Names = &'static [(&'static str, &'static str)];

/// One architecture of `general.architecture`.
pub(super) struct Arch {
    /// Its name in GGUF, which also starts its keys.
    pub gguf: &'static str,
    /// Whether it is for files with `expert_count`: there may be two architectures of a name.
    pub mixture: bool,
    /// Hugging Face's `model_type`.
    pub model_type: &'static str,
    /// `hidden_act`, which GGUF leaves unsaid.
    pub hidden_act: &'static str,
    /// Whether norms are layer norms: which key has their epsilon.
    pub layer_norms: bool,
    /// Stems outside the layers, each followed by `.weight` or `.bias`.
    pub tensors: &'static [Names],
    /// Where Hugging Face's names of a layer's tensors begin.
    pub layers: &'static str,
    /// Stems inside `blk.N.` and inside a layer, likewise; the first that fits counts.
    pub layer_tensors: &'static [Names],
    /// The same for tensors whose names end there.
    pub bare_tensors: Names,
    /// Layers of two stacks: what is before `blk.N.` in the first and in the second, where Hugging Face's names of the second's
    /// layers begin, and their stems.
    pub decoder: Option<([&'static str; 2], &'static str, &'static [Names])>,
    /// Whether layers have heads and an MLP.
    pub attends: bool,
    /// Whether rows of `attn_q` and `attn_k` are interleaved for GGUF's rope where Hugging Face's are not.
    pub rope_interleaved: bool,
    /// More hyperparameters, after `{gguf}.`.
    pub keys: Names,
    /// Tensors of the first layer, and the keys that say whether they are there.
    pub flags: Names,
}

/// The architecture that GGUF calls `name`, with a mixture of experts or without.
///
/// # Errors
/// [`crate::ErrorKind::Unsupported`] for one that is not in the table.
pub(super) fn find(name: &str, mixture: bool) -> Result<&'static Arch> {
    ARCHS.iter().find(|arch| arch.gguf == name && arch.mixture == mixture).ok_or_else(|| {
        let what = if mixture { format!("{name} of experts") } else { name.to_owned() };
        Error::unsupported(format!("architecture {what}"), format!("models of architecture {what:?} cannot be run"))
    })
}

/// The architecture that GGUF calls `name` and that a model of `model_type` is of.
pub(super) fn of_model(name: &str, model_type: &str) -> Option<&'static Arch> {
    // Mistral's files say that they are Llamas.
    let model_type = if (name, model_type) == ("llama", "mistral") { "llama" } else { model_type };
    ARCHS.iter().find(|arch| arch.gguf == name && arch.model_type == model_type)
}

/// Hyperparameters that the rest of the reader needs as numbers.
pub(super) struct Dims {
    pub num_hidden_layers: u32,
    pub num_decoder_layers: u32,
    pub head_dim: u32,
}

impl Arch {
    /// Hugging Face's name of a tensor and how its rows are stored, or `None` for a tensor that this architecture has not.
    pub fn tensor(&self, gguf_name: &str, dims: &Dims) -> Option<(String, RowMap)> {
        let part_of = gguf_name.rsplit_once('.').filter(|(_, part)| matches!(*part, "weight" | "bias"));
        let (stem, part) = part_of.map_or((gguf_name, None), |(stem, part)| (stem, Some(part)));
        let find = |names: &[Names], stem: &str| {
            names.iter().copied().flatten().find(|(gguf, _)| *gguf == stem).map(|(_, name)| *name)
        };
        if let Some((name, part)) = find(self.tensors, stem).zip(part) {
            return Some((format!("{name}.{part}"), RowMap::Identity));
        }
        let first = (self.first_stack(), self.layers, self.layer_tensors, dims.num_hidden_layers);
        let second = self.decoder.map(|([_, prefix], layers, names)| (prefix, layers, names, dims.num_decoder_layers));
        let mut stacks = std::iter::once(first).chain(second);
        let (stem, layers, names, n_layers) =
            stacks.find_map(|(prefix, layers, names, n)| Some((stem.strip_prefix(prefix)?, layers, names, n)))?;
        let (layer, stem) = stem.strip_prefix("blk.")?.split_once('.')?;
        let number: u32 = layer.parse().ok()?;
        // One spelling a layer: "blk.00." would give a second tensor the same name.
        if number >= n_layers || number.to_string() != layer {
            return None;
        }
        let Some(part) = part else {
            let name = find(&[self.bare_tensors], stem)?;
            return Some((format!("{layers}.{number}.{name}"), RowMap::Identity));
        };
        // Files from before experts were one tensor have one for each: `ffn_up.3` and not `ffn_up_exps`.
        let of_expert =
            stem.split_once('.').and_then(|(linear, expert)| Some((linear, expert, expert.parse::<u32>().ok()?)));
        if let Some((linear, expert, number)) = of_expert {
            let (experts, linear) = find(names, &format!("{linear}_exps"))?.rsplit_once('.')?;
            let name = format!("{layers}.{layer}.{experts}.{number}.{linear}.{part}");
            return (number.to_string() == expert).then_some((name, RowMap::Identity));
        }
        let name = find(names, stem)?;
        let row_map = match stem {
            "attn_q" | "attn_k" if self.rope_interleaved => RowMap::RopeInterleaved { head_dim: dims.head_dim },
            _ => RowMap::Identity,
        };
        Some((format!("{layers}.{number}.{name}.{part}"), row_map))
    }

    /// What is before `blk.N.` in the first stack of layers.
    pub fn first_stack(&self) -> &'static str {
        self.decoder.map_or("", |([first, _], ..)| first)
    }

    /// `config.json`, translated. `vocab_size` and `tie_word_embeddings` come from the tensors and are added by the caller.
    ///
    /// # Errors
    /// [`crate::ErrorKind::BadFile`] for a key that is missing, of the wrong type or impossible (data: `key`);
    /// [`crate::ErrorKind::Unsupported`] for a variant of the architecture that doran does not run.
    pub fn config(&self, meta: &Metadata<'_>) -> Result<(Map<String, Value>, Dims)> {
        let key = |stem: &str| format!("{}.{stem}", self.gguf);
        let num_hidden_layers = meta.count(&key("block_count"), None, 1024)?;
        let hidden_size = meta.count(&key("embedding_length"), None, 1 << 20)?;
        let of_heads = |stem: &str, most: u32| if self.attends { meta.count(&key(stem), None, most) } else { Ok(1) };
        let intermediate_size = of_heads("feed_forward_length", 1 << 24)?;
        let heads = of_heads("attention.head_count", 1 << 16)?;
        let kv_key = key("attention.head_count_kv");
        // One number for each layer: 0 for those that do not attend.
        let by_layer = meta.ints(&kv_key)?;
        let kv_heads = match &by_layer {
            _ if !self.attends => 1,
            None => meta.count(&kv_key, Some(heads), 1 << 16)?,
            Some(list) => {
                let most = list.iter().copied().max().unwrap_or(0);
                if list.len() as u64 != u64::from(num_hidden_layers) || most < 1 {
                    return Err(bad_value(&kv_key, "must have a number for each layer"));
                }
                if list.iter().any(|n| *n != most && *n != 0) {
                    let what = "layers of different attention.head_count_kv";
                    return Err(Error::unsupported(what, format!("{what} cannot be run")));
                }
                most as u32
            }
        };
        if heads % kv_heads != 0 {
            return Err(bad_value(&kv_key, "must divide attention.head_count"));
        }
        let head_dim = match meta.u32(&key("attention.key_length"))? {
            Some(_) => meta.count(&key("attention.key_length"), None, 1 << 16)?,
            None if hidden_size % heads == 0 => hidden_size / heads,
            None => return Err(bad_value(&key("embedding_length"), "must be a multiple of attention.head_count")),
        };
        if let Some(value_length) = meta.u32(&key("attention.value_length"))?
            && value_length != head_dim
        {
            return Err(Error::unsupported("keys and values of different length", "keys and values differ in length"));
        }
        let eps_key =
            key(if self.layer_norms { "attention.layer_norm_epsilon" } else { "attention.layer_norm_rms_epsilon" });
        let eps = meta.f64(&eps_key)?.ok_or_else(|| Metadata::missing(&eps_key))?;
        if !(0.0..1.0).contains(&eps) {
            return Err(bad_value(&eps_key, "must be at least 0 and less than 1"));
        }
        let theta_key = key("rope.freq_base");
        let rope_theta = meta.f64(&theta_key)?.unwrap_or(10_000.0);
        if rope_theta <= 0.0 {
            return Err(bad_value(&theta_key, "must be positive"));
        }
        let mut config = Map::new();
        config.insert("model_type".into(), self.model_type.into());
        config.insert("hidden_size".into(), hidden_size.into());
        config.insert("intermediate_size".into(), intermediate_size.into());
        config.insert("num_hidden_layers".into(), num_hidden_layers.into());
        config.insert("num_attention_heads".into(), heads.into());
        config.insert("num_key_value_heads".into(), kv_heads.into());
        config.insert("head_dim".into(), head_dim.into());
        config.insert("hidden_act".into(), self.hidden_act.into());
        config.insert(if self.layer_norms { "layer_norm_eps" } else { "rms_norm_eps" }.into(), eps.into());
        config.insert("gguf".into(), true.into());
        config.insert("rope_theta".into(), rope_theta.into());
        let context = meta.count(&key("context_length"), None, u32::MAX)?;
        config.insert("max_position_embeddings".into(), context.into());
        if let Some(rotary) = meta.u32(&key("rope.dimension_count"))?
            && (rotary != head_dim || self.gguf != "llama")
        {
            if rotary == 0 || rotary > head_dim || rotary % 2 != 0 {
                return Err(bad_value(
                    &key("rope.dimension_count"),
                    "must be even, positive and at most the head's length",
                ));
            }
            config.insert("partial_rotary_factor".into(), (f64::from(rotary) / f64::from(head_dim)).into());
        }
        if let Some(scaling) = self.rope_scaling(meta)? {
            config.insert("rope_scaling".into(), scaling);
        }
        for (stem, name) in self.keys {
            if let Some(value) = meta.json(&key(stem))? {
                config.insert((*name).into(), value);
            }
        }
        let pattern_key = key("attention.sliding_window_pattern");
        if let Some(slides) = meta.bools(&pattern_key)? {
            let name = |slides: &bool| if *slides { "sliding_attention" } else { "full_attention" };
            config.insert("layer_types".into(), slides.iter().map(name).collect::<Vec<_>>().into());
        }
        if let Some(list) = by_layer.filter(|list| list.contains(&0)) {
            let name = |kv_heads: &i32| if *kv_heads == 0 { "conv" } else { "full_attention" };
            config.insert("layer_types".into(), list.iter().map(name).collect::<Vec<_>>().into());
        }
        // What these files leave unsaid (llama.cpp `llama-model.cpp`): the largest of each divide by the heads' share of the
        // hidden size, and not by the heads' length.
        let largest = matches!((self.gguf, num_hidden_layers), ("gemma2", 46) | ("gemma3", 62));
        config.insert("query_pre_attn_scalar".into(), if largest { hidden_size / heads } else { head_dim }.into());
        let num_decoder_layers = meta.count(&key("decoder_block_count"), Some(num_hidden_layers), 1024)?;
        if self.decoder.is_some() {
            config.insert("is_encoder_decoder".into(), true.into());
            config.insert("num_decoder_layers".into(), num_decoder_layers.into());
        }
        Ok((config, Dims { num_hidden_layers, num_decoder_layers, head_dim }))
    }

    /// Hugging Face's `rope_scaling`, or `None` for plain rope.
    fn rope_scaling(&self, meta: &Metadata<'_>) -> Result<Option<Value>> {
        let key = |stem: &str| format!("{}.rope.scaling.{stem}", self.gguf);
        let factor = || -> Result<f64> {
            let factor = meta.f64(&key("factor"))?.ok_or_else(|| Metadata::missing(&key("factor")))?;
            if factor <= 0.0 {
                return Err(bad_value(&key("factor"), "must be positive"));
            }
            Ok(factor)
        };
        let kind = match meta.str(&key("type"))? {
            Some(kind) => kind,
            // Files of before `rope.scaling.*` (llama.cpp `LLM_KV_ROPE_SCALE_LINEAR`).
            None => match meta.f64(&format!("{}.rope.scale_linear", self.gguf))? {
                Some(factor) if factor > 0.0 => return Ok(Some(json!({ "rope_type": "linear", "factor": factor }))),
                _ => return Ok(None),
            },
        };
        match kind {
            // The divisors of `longrope` are tensors.
            "none" | "longrope" => Ok(None),
            "linear" => Ok(Some(json!({ "rope_type": "linear", "factor": factor()? }))),
            "yarn" => {
                let factor = factor()?;
                let mut scaling = json!({ "rope_type": "yarn", "factor": factor });
                // Not said, and no other was published.
                if self.model_type == "gpt_oss" {
                    scaling["truncate"] = false.into();
                }
                if let Some(context) = meta.u32(&key("original_context_length"))? {
                    scaling["original_max_position_embeddings"] = context.into();
                }
                for (stem, name) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
                    if let Some(beta) = meta.f64(&key(stem))? {
                        scaling[name] = beta.into();
                    }
                }
                // GGUF's factor multiplies YaRN's own scale of the attention, Hugging Face's replaces it (arXiv 2309.00071, eq. 22).
                if let Some(attn_factor) = meta.f64(&key("attn_factor"))? {
                    scaling["attention_factor"] = (attn_factor * (0.1 * factor.max(1.0).ln() + 1.0)).into();
                }
                Ok(Some(scaling))
            }
            other => {
                Err(Error::unsupported(format!("rope scaling {other}"), format!("rope scaling {other:?} is not known")))
            }
        }
    }
}

fn bad_value(key: &str, what: &str) -> Error {
    Error::bad_file(format!("{key} {what}")).with("key", key)
}
