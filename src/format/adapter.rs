//! A LoRA adapter's headers (Hu et al. 2021): which linears of a model it changes, by which two matrices and how strongly.
//!
//! Source: PEFT's `adapter_config.json` (`peft/tuners/lora/config.py`) and the names in `adapter_model.safetensors`; for GGUF see
//! `gguf/adapter.rs`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{TensorInfo, hf_config};
use crate::error::{Error, Result};

/// An adapter as its files describe it.
#[derive(Debug)]
pub struct AdapterCheckpoint {
    /// The name that the file gives itself, if any.
    pub name: Option<String>,
    /// Whether it is GGUF: its rows are then in the order of such files.
    pub gguf: bool,
    /// The matrices of the modules.
    pub tensors: Vec<TensorInfo>,
    /// What it changes.
    pub modules: Vec<AdapterModule>,
    /// Whole matrices of the model that the file repeats: name and shape. They are not read.
    pub repeated: Vec<(String, Vec<u64>)>,
}

/// One linear of the model and what is added to it: `y += scaling · B (A x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterModule {
    /// The linear in Hugging Face's words, without `.weight`.
    pub name: String,
    /// Which tensor is A: `[rank, in_features]`.
    pub a: usize,
    /// Which tensor is B: `[out_features, rank]`.
    pub b: usize,
    /// Its rank.
    pub rank: u32,
    /// alpha by rank, or by its root.
    pub scaling: f32,
}

/// The largest rank: a matrix of the full width of the largest models' layers would have no low rank.
const RANK_MAX: u64 = 1 << 14;

/// Keys of `adapter_config.json` that change nothing in an answer, or whose effect the tensors show.
const INERT: &[&str] = &[
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
];
/// Ways to begin a training that leave the model's own weights as they are.
const HARMLESS_BEGINNINGS: &[&str] = &["gaussian", "eva", "orthogonal"];

/// Joins `adapter_config.json` and the tensors of `adapter_model.safetensors`.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`] for JSON that is none, values of the wrong type, or matrices that do not fit each other (data:
/// `key` or `tensor`); [`crate::ErrorKind::Unsupported`] (data: `what`) for other methods than LoRA, and for what PEFT adds to it:
/// DoRA, trained biases, whole trained modules, embeddings, changed base weights.
pub fn peft(config: &str, tensors: Vec<TensorInfo>) -> Result<AdapterCheckpoint> {
    let config = hf_config::object("adapter_config.json", config)?;
    check_config(&config)?;
    let rooted = flag(&config, "use_rslora")?;
    let alpha = match config.get("lora_alpha") {
        None => 8.0,
        Some(value) => finite("lora_alpha", value)?,
    };
    let patterns = patterns(&config)?;
    let mut parts = Parts::new();
    let mut repeated = Vec::new();
    for tensor in tensors {
        let name = tensor.name.strip_prefix("base_model.model.").unwrap_or(&tensor.name).to_owned();
        if let Some(module) = name.strip_suffix(".base_layer.weight") {
            repeated.push((module.to_owned(), tensor.shape));
        } else if let Some(module) = name.strip_suffix(".lora_A.weight") {
            put(&mut parts, module, 0, tensor)?;
        } else if let Some(module) = name.strip_suffix(".lora_B.weight") {
            put(&mut parts, module, 1, tensor)?;
        } else {
            return Err(other_tensor(&tensor.name));
        }
    }
    let scaling = |module: &str, rank: u32| {
        let own = patterns.iter().find(|(pattern, _)| matches(pattern, module));
        let alpha = own.map_or(alpha, |(_, alpha)| *alpha);
        alpha / if rooted { f64::from(rank).sqrt() } else { f64::from(rank) }
    };
    let (tensors, modules) = join(parts, scaling)?;
    Ok(AdapterCheckpoint { name: None, gguf: false, tensors, modules, repeated })
}

/// A and B by module.
pub(super) type Parts = BTreeMap<String, [Option<TensorInfo>; 2]>;

/// Notes A (`part` 0) or B of a module.
pub(super) fn put(parts: &mut Parts, module: &str, part: usize, tensor: TensorInfo) -> Result<()> {
    let place = &mut parts.entry(module.to_owned()).or_default()[part];
    if let Some(twice) = place {
        let message = format!("the adapter has {:?} and {:?} for one matrix", twice.name, tensor.name);
        return Err(Error::bad_file(message).with("tensor", tensor.name));
    }
    *place = Some(tensor);
    Ok(())
}

/// Pairs A and B by module.
pub(super) fn join(parts: Parts, scaling: impl Fn(&str, u32) -> f64) -> Result<(Vec<TensorInfo>, Vec<AdapterModule>)> {
    let (mut tensors, mut modules) = (Vec::new(), Vec::new());
    for (name, pair) in parts {
        let (a, b) = match pair {
            [Some(a), Some(b)] => (a, b),
            [Some(one), None] | [None, Some(one)] => {
                let message = format!("the adapter has {:?}, but not the matrix that belongs to it", one.name);
                return Err(Error::bad_file(message).with("tensor", one.name));
            }
            [None, None] => continue,
        };
        let (&[rank, _], &[_, b_rank]) = (a.shape.as_slice(), b.shape.as_slice()) else {
            let message = format!("{:?} and {:?} are not both matrices", a.name, b.name);
            return Err(Error::unsupported("LoRA of a convolution or of experts", message).with("tensor", a.name));
        };
        if rank != b_rank || rank > RANK_MAX {
            let message =
                format!("{:?} has rank {rank} and {:?} has rank {b_rank} (1 to {RANK_MAX}, the same)", a.name, b.name);
            return Err(Error::bad_file(message).with("tensor", b.name));
        }
        for tensor in [&a, &b] {
            tensor.format.row_bytes(tensor.shape[1]).map_err(|error| error.during(&tensor.name))?;
        }
        let rank = rank as u32;
        let scaling = scaling(&name, rank) as f32;
        modules.push(AdapterModule { name, a: tensors.len(), b: tensors.len() + 1, rank, scaling });
        tensors.extend([a, b]);
    }
    if modules.is_empty() {
        return Err(Error::bad_file("the adapter has no matrices: it changes nothing"));
    }
    Ok((tensors, modules))
}

/// Refuses what changes answers in ways that are not followed here.
fn check_config(config: &Map<String, Value>) -> Result<()> {
    let refuse = |what: String, why: &str| Err(Error::unsupported(what.clone(), format!("adapters with {what} {why}")));
    match config.get("peft_type").and_then(Value::as_str) {
        Some("LORA") => {}
        other => {
            let what = format!("peft_type {}", other.unwrap_or("unnamed"));
            return refuse(what, "cannot be applied; LORA can");
        }
    }
    for (key, value) in config {
        let is_off = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let why = match key.as_str() {
            _ if is_off || INERT.contains(&key.as_str()) => continue,
            "bias" if value == "none" => continue,
            "init_lora_weights" if value == true => continue,
            "init_lora_weights" if value.as_str().is_some_and(|way| HARMLESS_BEGINNINGS.contains(&way)) => continue,
            "init_lora_weights" => "change the model's own weights; convert the adapter to plain LoRA when saving it",
            "use_dora" => "scale whole weights and not only add to them (DoRA)",
            "modules_to_save" => "bring whole modules of their own",
            "bias" | "lora_bias" => "bring biases of their own",
            _ => "cannot be applied",
        };
        let said = match value {
            Value::String(text) => format!("{key} {text}"),
            _ => key.clone(),
        };
        return refuse(said, why);
    }
    Ok(())
}

fn other_tensor(name: &str) -> Error {
    let what = if name.contains("lora_embedding") {
        "LoRA of an embedding"
    } else if name.contains("lora_magnitude_vector") {
        "DoRA"
    } else if name.contains("lora_") {
        "a tensor of another kind of LoRA"
    } else {
        "a whole tensor in an adapter"
    };
    Error::unsupported(what, format!("the adapter's tensor {name:?} is {what}, which cannot be applied"))
        .with("tensor", name)
}

/// Modules that have an alpha of their own.
fn patterns(config: &Map<String, Value>) -> Result<Vec<(String, f64)>> {
    let bad = |what: &str| Error::bad_file(format!("alpha_pattern {what}")).with("key", "alpha_pattern");
    let patterns = match config.get("alpha_pattern") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(patterns)) => patterns,
        Some(_) => return Err(bad("must be an object")),
    };
    let pattern = |(key, value): (&String, &Value)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !key.strip_prefix('^').unwrap_or(key).chars().all(plain) {
            let what = format!("alpha_pattern {key}");
            return Err(Error::unsupported(what, format!("the alpha_pattern {key:?} is no plain name of a module")));
        }
        Ok((key.clone(), finite("alpha_pattern", value)?))
    };
    patterns.iter().map(pattern).collect()
}

/// Whether a pattern names a module: it is the end of its name from a point on, or with `^` the whole of it (PEFT
/// `get_pattern_key`).
fn matches(pattern: &str, module: &str) -> bool {
    match pattern.strip_prefix('^') {
        Some(whole) => module == whole,
        None => module.strip_suffix(pattern).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
}

fn flag(config: &Map<String, Value>, key: &str) -> Result<bool> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(Error::bad_file(format!("{key} must be true or false")).with("key", key)),
    }
}

fn finite(key: &str, value: &Value) -> Result<f64> {
    let number = value.as_f64().filter(|x| x.is_finite() && x.abs() <= 1e9);
    number.ok_or_else(|| Error::bad_file(format!("{key} must be a number, not {value}")).with("key", key))
}
