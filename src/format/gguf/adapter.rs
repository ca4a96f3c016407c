//! LoRA adapters in GGUF: `general.type` is `adapter`, `adapter.type` is `lora`, and each changed tensor of the model has
//! `<tensor>.lora_a` and `<tensor>.lora_b`.
//!
//! Source: llama.cpp `convert_lora_to_gguf.py` and `llama-adapter.cpp`. Rows of B stand as the model's rows stand in its GGUF file.

use super::arch::{self, Dims};
use super::container::{self, Container, Stop};
use super::metadata::Metadata;
use super::{Place, more, tensor_info};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{AdapterCheckpoint, Parts, join, put};
use crate::format::{RowMap, check_overlap};

/// What is known of the model that an adapter is for.
#[derive(Clone, Debug)]
pub struct AdaptedModel {
    /// Hugging Face's `model_type`.
    pub model_type: String,
    /// Rows of a head, where it has heads.
    pub head_dim: Option<u32>,
}

/// What a prefix of a file gave.
#[derive(Debug)]
pub enum ParsedAdapter {
    /// As [`super::Parsed::NeedBytes`].
    NeedBytes(u64),
    /// The whole header.
    Done(AdapterCheckpoint),
}

/// Reads the header of an adapter for `model` from a file's first bytes.
///
/// # Errors
/// [`ErrorKind::LoraMismatch`] for an adapter of another architecture, or of tensors that the architecture does not have;
/// [`ErrorKind::BadFile`], [`ErrorKind::Unsupported`] as [`super::parse`], also for a file that is no LoRA adapter.
pub fn parse_adapter(prefix: &[u8], file_bytes: u64, model: &AdaptedModel) -> Result<ParsedAdapter> {
    let prefix = &prefix[..usize::try_from(file_bytes).unwrap_or(usize::MAX).min(prefix.len())];
    match container::read(prefix, file_bytes) {
        Err(Stop::Fail(error)) => Err(error.during("reading the GGUF header")),
        Err(Stop::NeedBytes(n_bytes)) => Ok(ParsedAdapter::NeedBytes(more(prefix, n_bytes, file_bytes))),
        Ok(container) => {
            let adapter = adapter(container, file_bytes, model).map_err(|e| e.during("reading the GGUF header"))?;
            Ok(ParsedAdapter::Done(adapter))
        }
    }
}

fn adapter(container: Container<'_>, file_bytes: u64, model: &AdaptedModel) -> Result<AdapterCheckpoint> {
    let Container { values, tensors, alignment, data_start } = container;
    let place = Place { file: 0, alignment, data_start, file_bytes };
    let meta = Metadata(values);
    let kind = meta.str("general.type")?.unwrap_or("model");
    if kind != "adapter" {
        return Err(Error::unsupported(format!("GGUF type {kind}"), format!("this file holds no adapter but: {kind}")));
    }
    let kind = meta.str("adapter.type")?.unwrap_or("unnamed");
    if kind != "lora" {
        let message = format!("adapters of type {kind:?} cannot be applied; lora can");
        return Err(Error::unsupported(format!("adapter type {kind}"), message));
    }
    if meta.array("adapter.alora.invocation_tokens")?.is_some() {
        let message = "adapters that wake at certain tokens (aLoRA) cannot be applied";
        return Err(Error::unsupported("adapter.alora.invocation_tokens", message));
    }
    let name = meta.str("general.architecture")?.ok_or_else(|| Metadata::missing("general.architecture"))?;
    let arch = arch::of_model(name, &model.model_type).ok_or_else(|| {
        let message =
            format!("the adapter is for models of architecture {name:?}, and this one is {:?}", model.model_type);
        Error::new(ErrorKind::LoraMismatch, message).with("what", format!("architecture {name}"))
    })?;
    let alpha = meta.f64("adapter.lora.alpha")?.ok_or_else(|| Metadata::missing("adapter.lora.alpha"))?;
    // The model's own tensors decide which layers there are.
    let dims =
        Dims { num_hidden_layers: u32::MAX, num_decoder_layers: u32::MAX, head_dim: model.head_dim.unwrap_or(0) };
    let mut parts = Parts::new();
    for tensor in &tensors {
        let no_place = || {
            let message = format!("the adapter's tensor {:?} has no place in a {name} model", tensor.name);
            Error::new(ErrorKind::LoraMismatch, message).with("tensor", tensor.name)
        };
        let (base, part) = tensor.name.rsplit_once('.').ok_or_else(no_place)?;
        let part = ["lora_a", "lora_b"].iter().position(|name| *name == part).ok_or_else(no_place)?;
        if base == "token_embd.weight" {
            let message =
                format!("the adapter's tensor {:?} changes the embedding, which cannot be applied", tensor.name);
            return Err(Error::unsupported("LoRA of an embedding", message).with("tensor", tensor.name));
        }
        let (full, row_map) = arch.tensor(base, &dims).ok_or_else(no_place)?;
        let module = full.strip_suffix(".weight").ok_or_else(no_place)?.to_owned();
        let row_map = match (part, row_map) {
            (1, RowMap::RopeInterleaved { head_dim: 0 }) => return Err(no_place()),
            (1, row_map) => row_map,
            _ => RowMap::Identity,
        };
        let info = tensor_info(tensor, tensor.name.to_owned(), row_map, &place)?;
        put(&mut parts, &module, part, info)?;
    }
    // llama.cpp `llama_adapter_lora_weight::get_scale`: 0 says nothing.
    let (tensors, modules) = join(parts, |_, rank| if alpha == 0.0 { 1.0 } else { alpha / f64::from(rank) })?;
    check_overlap(&tensors)?;
    let name = meta.str("general.name").unwrap_or_default().map(str::to_owned);
    Ok(AdapterCheckpoint { name, gguf: true, tensors, modules, repeated: Vec::new() })
}
