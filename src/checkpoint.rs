//! Reads the headers of a model's files, fetching no more of them than that takes.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::format::adapter::{self, AdapterCheckpoint};
use crate::format::gguf::adapter::{AdaptedModel, ParsedAdapter, parse_adapter};
use crate::format::{Checkpoint, TensorInfo, gguf, hf_config, safetensors};
use crate::weights::{ByteSource, ChunkStore, ModelFiles};

/// What is read of a file at first to find its header; more as the header asks for it.
const FIRST_HEADER_BYTES: u64 = 256 << 10;
/// The longest text file of a folder, in bytes: a `tokenizer.json` of a large vocabulary has some 40 MB.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// How a Git LFS pointer begins (git-lfs `docs/spec.md`): a few lines in the place of the file.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// What is read of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    All,
    /// Not the tokenizer.
    Headers,
}

/// Reads a model's description. `paths` names the files, in the source's order: one GGUF file, all parts of one that is split, or
/// the files of a Hugging Face folder, among them `config.json`, `tokenizer.json` (or what is read for want of it: `tokenizer.model`, `vocab.json` with `merges.txt`, `vocab.txt`) and safetensors files.
///
/// # Errors
/// `bad_file`, `unsupported`; whatever reading gives.
pub async fn read<S, T>(files: &mut ModelFiles<S, T>, paths: &[String]) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    read_to(files, paths, Depth::All).await
}

/// The same without a folder's tokenizer, which is not read, and is empty: what says how large a model is.
///
/// # Errors
/// As [`read`].
pub async fn read_headers<S, T>(files: &mut ModelFiles<S, T>, paths: &[String]) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    read_to(files, paths, Depth::Headers).await
}

async fn read_to<S, T>(files: &mut ModelFiles<S, T>, paths: &[String], depth: Depth) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    if paths.iter().any(|path| path == "config.json") {
        return read_folder(files, paths, depth).await;
    }
    if files.n_files() > 1 {
        return read_parts(files, paths).await;
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
        refuse_pointer(&prefix, file)?;
        match parse(&prefix, files.file_bytes(file))? {
            Header::Done(header) => return Ok(header),
            Header::NeedBytes(_) if prefix.len() as u64 >= files.file_bytes(file) => {
                return Err(Error::bad_file("the file ends inside its header"));
            }
            Header::NeedBytes(needed) => n_bytes = needed.max(n_bytes * 2),
        }
    }
}

/// A server that does not know Git LFS gives the pointer for the file.
fn refuse_pointer(prefix: &[u8], file: usize) -> Result<()> {
    if !prefix.starts_with(LFS_POINTER) {
        return Ok(());
    }
    let message = "this is a Git LFS pointer, a few lines in the place of the file: use the address that gives the file itself \
                   (on the hub /resolve/ in place of /raw/), or `git lfs pull` in a clone";
    Err(Error::bad_file(message).with("what", "lfs_pointer").with("file", file))
}

/// The parts of a GGUF file that is split. Their names, where they have any, must be of one model; the rest they say themselves.
async fn read_parts<S, T>(files: &mut ModelFiles<S, T>, paths: &[String]) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    if let Some(other) = paths.iter().find(|path| !path.to_ascii_lowercase().ends_with(".gguf")) {
        let message =
            format!("several files are a folder with config.json, or the parts of a GGUF file; {other} is neither");
        return Err(Error::bad_file(message));
    }
    let stems: Vec<_> = paths.iter().filter_map(|path| part_name(path)).collect();
    if let Some((file, stem)) = stems.iter().enumerate().find(|(_, stem)| **stem != stems[0]) {
        let message = format!("{} is no part of {}: the parts are of different models", stem.0, stems[0].0);
        return Err(Error::bad_file(message).with("file", file));
    }
    let mut prefixes = Vec::new();
    for file in 0..files.n_files() {
        let goes_on = |prefix: &[u8], file_bytes: u64| {
            Ok(gguf::header_goes_on(prefix, file_bytes)?.map_or(Header::Done(prefix.to_vec()), Header::NeedBytes))
        };
        let read = read_header(files, file, goes_on).await;
        prefixes.push(read.map_err(|error| error.during(paths.get(file).map_or("a part", String::as_str)))?);
    }
    let parts: Vec<_> = prefixes.iter().enumerate().map(|(file, p)| (p.as_slice(), files.file_bytes(file))).collect();
    gguf::parse_parts(&parts)
}

/// What the names of a split model's parts have in common: `name-00001-of-00003.gguf` gives (`name`, `00003`).
fn part_name(path: &str) -> Option<(&str, &str)> {
    let (rest, count) = path.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (name, no) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(no) && is_number(count)).then_some((name, count))
}

async fn read_folder<S, T>(files: &mut ModelFiles<S, T>, paths: &[String], depth: Depth) -> Result<Checkpoint>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    let has = |name: &str| paths.iter().any(|path| path == name);
    let mut vocabulary = HashMap::new();
    let mut folder = hf_config::Folder::default();
    let mut tensors = Vec::new();
    for (file, path) in paths.iter().enumerate() {
        if path.ends_with(".safetensors") {
            tensors.extend(read_safetensors(files, file, path).await?);
            continue;
        }
        match path.as_str() {
            "config.json" => folder.config = read_text(files, file, path).await?,
            "tokenizer.json" if depth == Depth::Headers => {}
            "tokenizer.json" => folder.tokenizer = Some(read_text(files, file, path).await?),
            // Many folders have several; the first of these has all that the others say.
            "tokenizer.model" | "vocab.json" | "merges.txt" | "vocab.txt" | "added_tokens.json"
                if depth == Depth::All && !has("tokenizer.json") =>
            {
                vocabulary.insert(path.as_str(), read_bytes(files, file, path).await?);
            }
            "generation_config.json" => folder.generation_config = Some(read_text(files, file, path).await?),
            "tokenizer_config.json" => folder.tokenizer_config = Some(read_text(files, file, path).await?),
            "1_Pooling/config.json" => folder.pooling = Some(read_text(files, file, path).await?),
            "chat_template.jinja" => folder.chat_template = Some(read_text(files, file, path).await?),
            _ => {}
        }
    }
    // A tokenizer that is not wanted is an empty one.
    let names = ["tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt"];
    if depth == Depth::Headers && names.into_iter().any(has) {
        folder.tokenizer = Some(String::new());
    }
    let mut text = |name: &str| vocabulary.remove(name).map(|bytes| utf8(name, bytes)).transpose();
    folder.added_tokens = text("added_tokens.json")?;
    folder.byte_level = text("vocab.json")?.zip(text("merges.txt")?);
    folder.vocab = text("vocab.txt")?;
    folder.sentence_piece = vocabulary.remove("tokenizer.model");
    hf_config::checkpoint(&folder, tensors)
}

fn utf8(path: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::bad_file(format!("{path} is no UTF-8 text")))
}

async fn read_text<S, T>(files: &mut ModelFiles<S, T>, file: usize, path: &str) -> Result<String>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    utf8(path, read_bytes(files, file, path).await?)
}

async fn read_bytes<S, T>(files: &mut ModelFiles<S, T>, file: usize, path: &str) -> Result<Vec<u8>>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    refuse_pointer(&files.prefix(file, FIRST_HEADER_BYTES).await?, file).map_err(|error| error.during(path))?;
    let n_bytes = files.file_bytes(file);
    if n_bytes > TEXT_BYTES_MAX {
        return Err(Error::bad_file(format!("{path} is {n_bytes} bytes long; {TEXT_BYTES_MAX} are the limit")));
    }
    files.prefix(file, n_bytes).await
}
