//! A Hugging Face folder: `config.json` and the files beside it become a [`Checkpoint`].
//!
//! transformers 5 moved some keys (`rope_parameters`, `dtype`). A checkpoint has the flat ones of transformers 4
//! (`rope_theta`, `rope_scaling`), whichever the file has.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::hf_vocab::{self, Beside};
use super::{Checkpoint, GenerationConfig, TensorInfo, TokenizerSource};
use crate::error::{Error, Result};

/// Longest of a folder's JSON files but `tokenizer.json`, in bytes.
const JSON_BYTES_MAX: usize = 32 << 20;

/// The texts of a folder's files. What the folder does not have is `None`.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// `config.json`.
    pub config: String,
    /// `tokenizer.json`.
    pub tokenizer: Option<String>,
    /// `vocab.txt`, for want of a `tokenizer.json`.
    pub vocab: Option<String>,
    /// `tokenizer.model`, for want of a `tokenizer.json`.
    pub sentence_piece: Option<Vec<u8>>,
    /// `vocab.json` and `merges.txt`, for want of both.
    pub byte_level: Option<(String, String)>,
    /// `added_tokens.json`.
    pub added_tokens: Option<String>,
    /// `generation_config.json`.
    pub generation_config: Option<String>,
    /// `tokenizer_config.json`.
    pub tokenizer_config: Option<String>,
    /// `1_Pooling/config.json`, of sentence-transformers.
    pub pooling: Option<String>,
    /// `chat_template.jinja`, which goes before the template in `tokenizer_config.json`.
    pub chat_template: Option<String>,
}

/// The files that hold a model's weights, from `model.safetensors.index.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIndex {
    /// File names beside the index, each once, sorted.
    pub files: Vec<String>,
    /// Which file (a position in `files`) holds which tensor.
    pub file_of: HashMap<String, usize>,
}

/// Joins a folder's texts and the tensors of its safetensors files.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`] for JSON that is none, or hyperparameters of the wrong type or out of range (data: `key`);
/// [`crate::ErrorKind::Unsupported`] for an unknown rope type, and for a folder without a tokenizer.
pub fn checkpoint(folder: &Folder, mut tensors: Vec<TensorInfo>) -> Result<Checkpoint> {
    let config = config(&folder.config)?;
    // The first BERTs have TensorFlow's words for a layer norm's vectors (transformers `modeling_utils.py` renames them too).
    for tensor in &mut tensors {
        for (old, new) in [("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")] {
            if let Some(module) = tensor.name.strip_suffix(old) {
                tensor.name = format!("{module}{new}");
            }
        }
    }
    let mut names = HashSet::new();
    if let Some(twice) = tensors.iter().find(|tensor| !names.insert(tensor.name.as_str())) {
        let message = format!("tensor {:?} stands in two files", twice.name);
        return Err(Error::bad_file(message).with("tensor", twice.name.as_str()));
    }
    let model_type = config["model_type"].as_str().unwrap_or_default().to_owned();
    let optional = |name: &str, text: &Option<String>| text.as_deref().map(|text| object(name, text)).transpose();
    let generation = optional("generation_config.json", &folder.generation_config)?;
    let tokenizer_config = optional("tokenizer_config.json", &folder.tokenizer_config)?;
    let pooling = optional("1_Pooling/config.json", &folder.pooling)?.map(|config| pooling(&config));
    let chat_template = folder.chat_template.clone().or_else(|| chat_template(tokenizer_config.as_ref()?));
    let tokenizer = tokenizer(folder, tokenizer_config, &model_type)?;
    Ok(Checkpoint {
        generation: generation_config(&config, generation.as_ref()),
        name: config.get("_name_or_path").and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned),
        model_type,
        config,
        tensors,
        tokenizer,
        chat_template,
        pooling,
        license: None,
    })
}

/// The tokenizer of a folder: `tokenizer.json`, or what says the same in older folders.
fn tokenizer(folder: &Folder, config: Option<Map<String, Value>>, model_type: &str) -> Result<TokenizerSource> {
    if let Some(tokenizer) = &folder.tokenizer {
        return Ok(TokenizerSource::Json { tokenizer: tokenizer.clone(), config });
    }
    let added = folder.added_tokens.as_deref().map(|text| object("added_tokens.json", text)).transpose()?;
    let beside = Beside { config: config.as_ref(), added: added.as_ref(), model_type };
    if let Some(model) = &folder.sentence_piece {
        return Ok(TokenizerSource::Vocabulary(Box::new(hf_vocab::sentence_piece(model, beside)?)));
    }
    if let Some((vocab, merges)) = &folder.byte_level {
        let vocab = object("vocab.json", vocab)?;
        return Ok(TokenizerSource::Vocabulary(Box::new(hf_vocab::byte_level(&vocab, merges, beside)?)));
    }
    if let Some(vocab) = &folder.vocab {
        return Ok(TokenizerSource::VocabTxt { vocab: vocab.clone(), config });
    }
    let message = "the folder has no tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt";
    Err(Error::unsupported("a folder without tokenizer.json", message))
}

/// Reads `config.json`: checks the hyperparameters that all decoders share and gives transformers 4's keys.
///
/// # Errors
/// As [`checkpoint`].
pub fn config(text: &str) -> Result<Map<String, Value>> {
    let mut config = object("config.json", text)?;
    if config.get("model_type").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(bad_key("model_type", "must be a string"));
    }
    normalise_rope(&mut config)?;
    if let Some(dtype) = config.remove("dtype") {
        config.entry("torch_dtype").or_insert(dtype);
    }
    for (key, most) in [
        ("hidden_size", 1u64 << 20),
        ("intermediate_size", 1 << 24),
        ("num_hidden_layers", 1024),
        ("num_attention_heads", 1 << 16),
        ("num_key_value_heads", 1 << 16),
        ("head_dim", 1 << 16),
        ("vocab_size", 1 << 24),
        ("max_position_embeddings", u64::from(u32::MAX)),
    ] {
        match config.get(key) {
            None | Some(Value::Null) => {}
            Some(value) if value.as_u64().is_some_and(|n| (1..=most).contains(&n)) => {}
            Some(value) => return Err(bad_key(key, &format!("must be an integer between 1 and {most}, not {value}"))),
        }
    }
    for key in ["rms_norm_eps", "rope_theta"] {
        match config.get(key) {
            None | Some(Value::Null) => {}
            Some(value) if value.as_f64().is_some_and(|x| x > 0.0 && x.is_finite()) => {}
            Some(value) => return Err(bad_key(key, &format!("must be a positive number, not {value}"))),
        }
    }
    let number = |key: &str| config.get(key).and_then(Value::as_u64);
    if let Some(heads) = number("num_attention_heads") {
        if number("num_key_value_heads").is_some_and(|kv_heads| heads % kv_heads != 0) {
            return Err(bad_key("num_key_value_heads", "must divide num_attention_heads"));
        }
        if number("head_dim").is_none() && number("hidden_size").is_some_and(|hidden_size| hidden_size % heads != 0) {
            return Err(bad_key("hidden_size", "must be a multiple of num_attention_heads"));
        }
    }
    Ok(config)
}

/// Rope types of `transformers` (`modeling_rope_utils.py`, `ROPE_INIT_FUNCTIONS`), and older spellings of them.
const ROPE_TYPES: &[(&str, &str)] = &[
    ("default", "default"),
    ("linear", "linear"),
    ("dynamic", "dynamic"),
    ("yarn", "yarn"),
    ("longrope", "longrope"),
    ("su", "longrope"),
    ("llama3", "llama3"),
];

/// Turns `rope_parameters`, or either spelling of `rope_scaling`, into `rope_theta` and `rope_scaling {rope_type, …}`.
/// Plain rope has no `rope_scaling`.
fn normalise_rope(config: &mut Map<String, Value>) -> Result<()> {
    let (key, scaling) = match (config.remove("rope_parameters"), config.remove("rope_scaling")) {
        (Some(Value::Object(parameters)), _) => ("rope_parameters", parameters),
        (None | Some(Value::Null), Some(Value::Object(scaling))) => ("rope_scaling", scaling),
        (None | Some(Value::Null), None | Some(Value::Null)) => return Ok(()),
        (Some(_), _) => return Err(bad_key("rope_parameters", "must be an object")),
        (None, Some(_)) => return Err(bad_key("rope_scaling", "must be an object")),
    };
    // A model with two kinds of layers has one set of parameters for each: its model file reads them.
    if !scaling.is_empty() && scaling.values().all(|value| value.is_object() || value.is_null()) {
        for value in scaling.values().filter(|value| value.is_object()) {
            rope_type(key, value.get("rope_type").or(value.get("type")))?;
        }
        config.insert("rope_parameters".into(), scaling.into());
        return Ok(());
    }
    let mut scaling = scaling;
    let older = scaling.remove("type");
    let kind = rope_type(key, scaling.remove("rope_type").or(older).as_ref())?;
    for moved in ["rope_theta", "partial_rotary_factor"] {
        if let Some(value) = scaling.remove(moved) {
            config.insert(moved.into(), value);
        }
    }
    if kind == "default" {
        return Ok(());
    }
    let factor = scaling.get("factor");
    if kind != "longrope" && factor.and_then(Value::as_f64).is_none_or(|factor| !(factor.is_finite() && factor > 0.0)) {
        return Err(bad_key(key, "must have a positive factor"));
    }
    let mut normal = Map::new();
    normal.insert("rope_type".into(), kind.into());
    normal.extend(scaling);
    config.insert("rope_scaling".into(), normal.into());
    Ok(())
}

/// The rope type in today's spelling.
fn rope_type(key: &str, value: Option<&Value>) -> Result<&'static str> {
    let name = match value {
        None | Some(Value::Null) => "default",
        Some(value) => value.as_str().ok_or_else(|| bad_key(key, "must have a rope_type that is a string"))?,
    };
    let known = ROPE_TYPES.iter().find(|(spelling, _)| *spelling == name);
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        Error::unsupported(format!("rope scaling {name}"), format!("rope scaling {name:?} is not known"))
            .with("key", key)
    })
}

/// `generation_config.json` where it speaks, `config.json` where it is silent.
fn generation_config(config: &Map<String, Value>, generation: Option<&Map<String, Value>>) -> GenerationConfig {
    let ids = |key: &str| -> Vec<u32> {
        let value = generation.and_then(|generation| generation.get(key)).filter(|value| !value.is_null());
        let value = value.or(config.get(key));
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        match value {
            Some(Value::Array(ids)) => ids.iter().filter_map(id).collect(),
            Some(value) => id(value).into_iter().collect(),
            None => Vec::new(),
        }
    };
    let bos_token_id = ids("bos_token_id").first().copied();
    // What configurations of these mean that do not say it.
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let by_type = [("blenderbot", 1), ("t5", 0)].into_iter().find(|(name, _)| *name == model_type).map(|(_, id)| id);
    // As transformers' `_prepare_decoder_input_ids_for_generation` has it.
    let unsaid = by_type.filter(|_| !config.contains_key("decoder_start_token_id"));
    let start = || ids("decoder_start_token_id").first().copied().or(unsaid).or(bos_token_id);
    let two_stacks = config.get("is_encoder_decoder").and_then(Value::as_bool).unwrap_or(by_type.is_some());
    let decoder_start_token_id = if two_stacks { start() } else { None };
    GenerationConfig { bos_token_id, eos_token_ids: ids("eos_token_id"), decoder_start_token_id }
}

/// How sentence-transformers pools (`models/Pooling.py`): a flag for each way, or one word.
fn pooling(config: &Map<String, Value>) -> String {
    if let Some(mode) = config.get("pooling_mode").and_then(Value::as_str) {
        return mode.to_owned();
    }
    let flag = |(key, value): (&String, &Value)| {
        let mode = key.strip_prefix("pooling_mode_").filter(|_| value.as_bool() == Some(true))?;
        Some(mode.trim_end_matches("_tokens").trim_end_matches("_token").to_owned())
    };
    let modes: Vec<String> = config.iter().filter_map(flag).collect();
    modes.join("+")
}

/// The template in `tokenizer_config.json`: a text, or a list of named ones of which `default` is meant for chats.
fn chat_template(tokenizer_config: &Map<String, Value>) -> Option<String> {
    match tokenizer_config.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let default = named.iter().find(|entry| entry["name"] == "default").or(named.first())?;
            default["template"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// Reads `model.safetensors.index.json`.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`] if it is no index, or names a file that is not beside it.
pub fn shard_index(text: &str) -> Result<ShardIndex> {
    let index = object("model.safetensors.index.json", text)?;
    let weight_map = index.get("weight_map").and_then(Value::as_object);
    let weight_map = weight_map.ok_or_else(|| bad_key("weight_map", "must be an object"))?;
    let mut files = Vec::new();
    for file in weight_map.values() {
        let file = file.as_str().ok_or_else(|| bad_key("weight_map", "must hold file names"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if file.is_empty() || file.starts_with('.') || !file.chars().all(plain) || !file.ends_with(".safetensors") {
            return Err(Error::bad_file(format!("the index names {file:?}, which is no safetensors file beside it")));
        }
        files.push(file.to_owned());
    }
    files.sort_unstable();
    files.dedup();
    let position = |file: &Value| files.binary_search_by(|have| have.as_str().cmp(file.as_str().unwrap_or_default()));
    let file_of = weight_map.iter().filter_map(|(name, file)| Some((name.clone(), position(file).ok()?))).collect();
    Ok(ShardIndex { files, file_of })
}

pub(super) fn object(name: &str, text: &str) -> Result<Map<String, Value>> {
    if text.len() > JSON_BYTES_MAX {
        return Err(Error::bad_file(format!("{name} is longer than {JSON_BYTES_MAX} bytes")));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::bad_file(format!("{name} is no JSON object"))),
        Err(e) => Err(Error::bad_file(format!("{name} is no JSON: {e}"))),
    }
}

fn bad_key(key: &str, what: &str) -> Error {
    Error::bad_file(format!("{key} {what}")).with("key", json!(key))
}
