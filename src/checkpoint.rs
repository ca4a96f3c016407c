//! Reads the headers of a model's files, fetching no more of them than that takes.

use crate::error::{Error, Result};
use crate::format::adapter::{self, AdapterCheckpoint};
use crate::format::gguf::adapter::{AdaptedModel, ParsedAdapter, parse_adapter};
use crate::format::{Checkpoint, TensorInfo, gguf, hf_config, safetensors};
use crate::weights::{ByteSource, ChunkStore, ModelFiles};

/// What is read of a file at first to find its header; more as the header asks for it.
const FIRST_HEADER_BYTES: u64 = 256 << 10;
/// The longest text file of a folder, in bytes: a `tokenizer.json` of a large vocabulary has some 40 MB.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Reads a model's description. `paths` names the files, in the source's order: one GGUF file, or the files of a Hugging
/// Face folder, among them `config.json`, `tokenizer.json` (or BERT's `vocab.txt`) and safetensors files.
///
/// # Errors
/// `bad_file`, `unsupported`; whatever reading gives.
pub async fn read<S, T>(files: &mut ModelFiles<S, T>, paths: &[String]) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    if paths.iter().any(|path| path == "config.json") {
        return read_folder(files, paths).await;
    }
    read_header(files, 0, |prefix, file_bytes| {
        Ok(match gguf::parse(prefix, file_bytes)? {
            gguf::Parsed::Done { checkpoint, .. } => Header::Done(checkpoint),
            gguf::Parsed::NeedBytes(n_bytes) => Header::NeedBytes(n_bytes),
        })
    })
    .await
}

/// Reads the description of a LoRA adapter for `model`: one GGUF file, or `adapter_config.json` and safetensors files.
///
/// # Errors
/// `lora_mismatch`, `bad_file`, `unsupported`; whatever reading gives.
pub async fn read_adapter<S, T>(
    files: &mut ModelFiles<S, T>,
    paths: &[String],
    model: &AdaptedModel,
) -> Result<AdapterCheckpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    let Some(config) = paths.iter().position(|path| path == "adapter_config.json") else {
        if paths.len() > 1 {
            let message = "the folder is no adapter: it has no adapter_config.json";
            return Err(Error::unsupported("a folder without adapter_config.json", message));
        }
        return read_header(files, 0, |prefix, file_bytes| {
            Ok(match parse_adapter(prefix, file_bytes, model)? {
                ParsedAdapter::Done(adapter) => Header::Done(adapter),
                ParsedAdapter::NeedBytes(n_bytes) => Header::NeedBytes(n_bytes),
            })
        })
        .await;
    };
    let config = read_text(files, config, "adapter_config.json").await?;
    let mut tensors = Vec::new();
    for (file, path) in paths.iter().enumerate().filter(|(_, path)| path.ends_with(".safetensors")) {
        tensors.extend(read_safetensors(files, file, path).await?);
    }
    if tensors.is_empty() {
        let message = "the folder has no adapter_model.safetensors; adapters in adapter_model.bin are not read";
        return Err(Error::unsupported("an adapter without safetensors", message));
    }
    adapter::peft(&config, tensors)
}

async fn read_safetensors<S, T>(files: &mut ModelFiles<S, T>, file: usize, path: &str) -> Result<Vec<TensorInfo>>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    let parse = |prefix: &[u8], file_bytes: u64| {
        Ok(match safetensors::parse(prefix, file_bytes, file)? {
            safetensors::Parsed::Done(tensors) => Header::Done(tensors),
            safetensors::Parsed::NeedBytes(n_bytes) => Header::NeedBytes(n_bytes),
        })
    };
    read_header(files, file, parse).await.map_err(|error| error.during(path))
}

enum Header<H> {
    Done(H),
    NeedBytes(u64),
}

/// Parses a file's first bytes, fetching more until they suffice.
async fn read_header<S, T, H>(
    files: &mut ModelFiles<S, T>,
    file: usize,
    parse: impl Fn(&[u8], u64) -> Result<Header<H>>,
) -> Result<H>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    let mut n_bytes = FIRST_HEADER_BYTES;
    loop {
        let prefix = files.prefix(file, n_bytes).await?;
        match parse(&prefix, files.file_bytes(file))? {
            Header::Done(header) => return Ok(header),
            Header::NeedBytes(_) if prefix.len() as u64 >= files.file_bytes(file) => {
                return Err(Error::bad_file("the file ends inside its header"));
            }
            Header::NeedBytes(needed) => n_bytes = needed.max(n_bytes * 2),
        }
    }
}

async fn read_folder<S, T>(files: &mut ModelFiles<S, T>, paths: &[String]) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    let mut folder = hf_config::Folder::default();
    let mut tensors = Vec::new();
    for (file, path) in paths.iter().enumerate() {
        if path.ends_with(".safetensors") {
            tensors.extend(read_safetensors(files, file, path).await?);
            continue;
        }
        match path.as_str() {
            "config.json" => folder.config = read_text(files, file, path).await?,
            "tokenizer.json" => folder.tokenizer = Some(read_text(files, file, path).await?),
            // Many folders have both.
            "vocab.txt" if !paths.iter().any(|path| path == "tokenizer.json") => {
                folder.vocab = Some(read_text(files, file, path).await?);
            }
            "generation_config.json" => folder.generation_config = Some(read_text(files, file, path).await?),
            "tokenizer_config.json" => folder.tokenizer_config = Some(read_text(files, file, path).await?),
            "1_Pooling/config.json" => folder.pooling = Some(read_text(files, file, path).await?),
            "chat_template.jinja" => folder.chat_template = Some(read_text(files, file, path).await?),
            _ => {}
        }
    }
    hf_config::checkpoint(&folder, tensors)
}

async fn read_text<S, T>(files: &mut ModelFiles<S, T>, file: usize, path: &str) -> Result<String>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    files.prefix(file, FIRST_HEADER_BYTES).await?;
    let n_bytes = files.file_bytes(file);
    if n_bytes > TEXT_BYTES_MAX {
        return Err(Error::bad_file(format!("{path} is {n_bytes} bytes long; {TEXT_BYTES_MAX} are the limit")));
    }
    let bytes = files.prefix(file, n_bytes).await?;
    String::from_utf8(bytes).map_err(|_| Error::bad_file(format!("{path} is no UTF-8 text")))
}
