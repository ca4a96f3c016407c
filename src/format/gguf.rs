//! GGUF: the header of one file becomes a [`Checkpoint`].
//!
//! Source: `docs/gguf.md` in the ggml repository. The reader sees a prefix of the file and says how much more it needs, so
//! that a header is read over the network in a few small requests. Every number in it is checked before it is used:
//! counts against the bytes there are, offsets against the file, hyperparameters against each other.

pub mod adapter;
mod arch;
mod archs;
mod container;
mod metadata;
mod split;
mod vocab;

use super::{Checkpoint, GenerationConfig, RowMap, TensorInfo, TokenizerSource};
use crate::error::{Error, Result};
use crate::quant::Format;
use container::{Container, RawTensor, Stop};
use metadata::Metadata;

pub use container::HEADER_BYTES_MAX;

/// What a prefix of a file gave.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one value a model, matched at once")]
pub enum Parsed {
    /// The header goes on: try again with a prefix of at least this many bytes (never more than the file has).
    NeedBytes(u64),
    /// The whole header.
    Done {
        /// The model as the file describes it. Tensor offsets are from the start of the file.
        checkpoint: Checkpoint,
        /// Where the tensor data starts, in bytes from the start of the file.
        data_start: u64,
    },
}

/// Reads the header of a GGUF file (version 2 or 3, little-endian) from its first bytes.
///
/// `file_bytes` is the length of the whole file.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`] for a file that contradicts itself or is cut off, a header of more than
/// [`HEADER_BYTES_MAX`], or a tensor that the architecture does not have; [`crate::ErrorKind::Unsupported`] (data: `what`)
/// for an architecture, weight format or variant that doran does not run.
pub fn parse(prefix: &[u8], file_bytes: u64) -> Result<Parsed> {
    let prefix = &prefix[..usize::try_from(file_bytes).unwrap_or(usize::MAX).min(prefix.len())];
    match container::read(prefix, file_bytes) {
        Err(Stop::Fail(error)) => Err(error.during("reading the GGUF header")),
        Err(Stop::NeedBytes(n_bytes)) => Ok(Parsed::NeedBytes(more(prefix, n_bytes, file_bytes))),
        Ok(container) => {
            let data_start = container.data_start;
            let parts = vec![(container, file_bytes)];
            let checkpoint = checkpoint(parts).map_err(|e| e.during("reading the GGUF header"))?;
            Ok(Parsed::Done { checkpoint, data_start })
        }
    }
}

/// Reads the headers of a model that is split over several files, from the first bytes of each with the length of the whole file,
/// in the order of their numbers. As llama.cpp's `gguf-split` writes them: each part has `split.no`, `split.count` and
/// `split.tensors.count`, and the first one the metadata.
///
/// # Errors
/// As [`parse`]; [`crate::ErrorKind::BadFile`] also for a header that does not end within its bytes, and for parts that are
/// missing (data: `parts`, `given`), in another order, or of different models (data: `file`).
pub fn parse_parts(parts: &[(&[u8], u64)]) -> Result<Checkpoint> {
    let parts = parts.iter().map(|(prefix, file_bytes)| whole_header(prefix, *file_bytes)).collect::<Result<_>>();
    parts.and_then(checkpoint).map_err(|e| e.during("reading the GGUF headers"))
}

fn whole_header(prefix: &[u8], file_bytes: u64) -> Result<(Container<'_>, u64)> {
    match container::read(prefix, file_bytes) {
        Ok(container) => Ok((container, file_bytes)),
        Err(Stop::Fail(error)) => Err(error),
        Err(Stop::NeedBytes(_)) => Err(Error::bad_file("a file ends inside its header")),
    }
}

/// How many bytes of a file its header takes at least, if it goes on behind `prefix`: then try again with so many.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`], [`crate::ErrorKind::Unsupported`] for what is no GGUF file.
pub fn header_goes_on(prefix: &[u8], file_bytes: u64) -> Result<Option<u64>> {
    match container::read(prefix, file_bytes) {
        Ok(_) => Ok(None),
        Err(Stop::NeedBytes(n_bytes)) => Ok(Some(n_bytes)),
        Err(Stop::Fail(error)) => Err(error.during("reading the GGUF header")),
    }
}

/// How much of a file to ask for: twice what there is, so that a header of n bytes takes log n requests.
fn more(prefix: &[u8], n_bytes: u64, file_bytes: u64) -> u64 {
    let doubled = (2 * prefix.len() as u64).clamp(4096, HEADER_BYTES_MAX);
    n_bytes.max(doubled.min(file_bytes))
}

/// The checkpoint of one file, or of the parts of one that is split.
fn checkpoint(parts: Vec<(Container<'_>, u64)>) -> Result<Checkpoint> {
    let n_parts = parts.len();
    let mut metas = Vec::with_capacity(n_parts);
    let mut tensors = Vec::new();
    for (file, (Container { values, tensors: own, alignment, data_start }, file_bytes)) in parts.into_iter().enumerate()
    {
        metas.push((Metadata(values), own.len() as u64));
        tensors.extend(own.into_iter().map(|tensor| (tensor, Place { file, alignment, data_start, file_bytes })));
    }
    split::check(&metas)?;
    let meta = metas.swap_remove(0).0;
    let arch_key = "general.architecture";
    let arch = meta.str(arch_key)?.ok_or_else(|| Metadata::missing(arch_key))?;
    let experts = meta.u32(&format!("{arch}.expert_count"))?.unwrap_or(0);
    let arch = arch::find(arch, experts > 0)?;
    if let Some(kind) = meta.str("general.type")?
        && kind != "model"
    {
        return Err(Error::unsupported(format!("GGUF type {kind}"), format!("this file holds no model but: {kind}")));
    }
    let (mut config, dims) = arch.config(&meta)?;
    let tokenizer = vocab::tokenizer(&meta)?;

    let mut infos = Vec::with_capacity(tensors.len());
    for (tensor, place) in &tensors {
        let (name, row_map) = arch.tensor(tensor.name, &dims).ok_or_else(|| {
            Error::bad_file(format!("tensor {:?} has no place in a {} model", tensor.name, arch.gguf))
        })?;
        infos.push(tensor_info(tensor, name, row_map, place)?);
    }
    super::check_overlap(&infos)?;

    if let Some(name) = split::twice(tensors.iter().map(|(tensor, _)| tensor.name)) {
        let message = format!("tensor {name:?} stands in two parts: they are not of one model");
        return Err(Error::bad_file(message).with("tensor", name));
    }

    let index_of = |name: &str| tensors.iter().position(|(tensor, _)| tensor.name == name);
    let embedding = index_of("token_embd.weight")
        .map(|i| &infos[i])
        .ok_or_else(|| Error::bad_file("the token embedding is missing"))?;
    let vocab_size = embedding.shape[0];
    if (tokenizer.tokens.len() as u64) > vocab_size {
        let message = format!("{} tokens, but {vocab_size} rows of embeddings", tokenizer.tokens.len());
        return Err(Error::bad_file(message));
    }
    config.insert("vocab_size".into(), vocab_size.into());
    config.insert("tie_word_embeddings".into(), index_of("output.weight").is_none().into());
    for (tensor, key) in arch.flags {
        let there = index_of(&format!("{}blk.0.{tensor}", arch.first_stack())).is_some();
        config.insert((*key).into(), there.into());
    }
    if let Some(i) = index_of("token_types.weight") {
        config.insert("type_vocab_size".into(), infos[i].shape[0].into());
    }
    let decoder_start_token_id = meta.u32(&format!("{}.decoder_start_token_id", arch.gguf))?;
    let generation = GenerationConfig { decoder_start_token_id, ..vocab::generation(&tokenizer) };
    Ok(Checkpoint {
        model_type: arch.model_type.to_owned(),
        config,
        tensors: infos,
        tokenizer: TokenizerSource::Vocabulary(Box::new(tokenizer)),
        // Not worth refusing a model for: without a template it still completes text.
        chat_template: meta.str("tokenizer.chat_template").unwrap_or_default().map(str::to_owned),
        generation,
        pooling: vocab::pooling(meta.u32(&format!("{}.pooling_type", arch.gguf))?),
        name: meta.str("general.name").unwrap_or_default().map(str::to_owned),
        license: meta.str("general.license").unwrap_or_default().filter(|name| !name.is_empty()).map(str::to_owned),
    })
}

/// Where a tensor's offset counts from.
struct Place {
    file: usize,
    alignment: u64,
    data_start: u64,
    file_bytes: u64,
}

/// A tensor under another name.
fn tensor_info(tensor: &RawTensor<'_>, name: String, row_map: RowMap, place: &Place) -> Result<TensorInfo> {
    let Place { file, alignment, data_start, file_bytes } = *place;
    let format = Format::from_ggml(tensor.ggml_type).ok_or_else(|| unknown_format(tensor))?;
    let n_bytes = tensor_bytes(tensor, format)?;
    let bad = |what: &str| Error::bad_file(format!("tensor {:?} {what}", tensor.name)).with("tensor", tensor.name);
    if !tensor.offset.is_multiple_of(alignment) {
        return Err(bad("is not aligned"));
    }
    let offset = data_start.checked_add(tensor.offset).ok_or_else(|| bad("lies outside the file"))?;
    if offset.checked_add(n_bytes).is_none_or(|end| end > file_bytes) {
        return Err(bad("goes past the end of the file: it is corrupted or incomplete"));
    }
    Ok(TensorInfo { name, file, offset, n_bytes, shape: tensor.shape.clone(), format, row_map })
}

/// Bytes of a tensor's blocks. Rows must be whole blocks.
fn tensor_bytes(tensor: &RawTensor<'_>, format: Format) -> Result<u64> {
    let bad = |what: &str| Error::bad_file(format!("tensor {:?} {what}", tensor.name)).with("tensor", tensor.name);
    let row = *tensor.shape.last().expect("1 to 4 dimensions were checked");
    if !row.is_multiple_of(format.block_weights()) {
        return Err(bad(&format!("has rows of {row}, not a multiple of {}", format.block_weights())));
    }
    let weights = tensor.shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    weights
        .and_then(|n| (n / format.block_weights()).checked_mul(format.block_bytes()))
        .ok_or_else(|| bad("has more weights than a file can hold"))
}

/// Names of ggml's types by number (`ggml.h`, `enum ggml_type`), to say what a file asks for. Empty: removed from ggml.
const GGML_TYPE_NAMES: &[&str] = &[
    "F32", "F16", "Q4_0", "Q4_1", "", "", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
    "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16", "I32", "I64",
    "F64", "IQ1_M", "BF16", "", "", "", "TQ1_0", "TQ2_0", "", "", "", "MXFP4", "NVFP4", "Q1_0", "Q2_0",
];

fn unknown_format(tensor: &RawTensor<'_>) -> Error {
    match GGML_TYPE_NAMES.get(tensor.ggml_type as usize) {
        Some(name) if !name.is_empty() => {
            Error::unsupported(*name, format!("tensor {:?} is stored as {name}, which cannot be read", tensor.name))
        }
        _ => Error::unsupported(
            format!("ggml type {}", tensor.ggml_type),
            format!("tensor {:?} is stored as ggml type {}, which is not known", tensor.name, tensor.ggml_type),
        ),
    }
    .with("tensor", tensor.name)
}
