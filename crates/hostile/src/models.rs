//! Headers of models, and what is made of them: tokenizer, graph, chunks, footprint.

use doran::footprint::{Device, Footprint};
use doran::format::gguf::{self, Parsed};
use doran::format::{Checkpoint, hf_config, safetensors};
use doran::gpu::Capabilities;
use doran::graph::fuse::fuse;
use doran::graph::weights::spans;
use doran::models;
use doran::ops::KvFormat;
use doran::ops::elementwise::Function;
use doran::text::{Chat, Text};
use doran::tokenizer::Tokenizer;
use doran::tune::{Wanted, likeliest};
use doran::weights::plan::{DEFAULT_CHUNK_BYTES, cut};

use crate::{Reach, is_json, number, text, texts};

/// The most tokens that a context has here.
const CONTEXT: u32 = 4096;

/// A GGUF file: four bytes say how many bytes it has behind those that are given (the highest bit: it is a part of a model).
pub fn gguf(input: &[u8]) -> Reach {
    let Some((tail, prefix)) = number::<4>(input) else { return Reach::Header };
    let is_part = tail >> 31 == 1;
    let file_bytes = prefix.len() as u64 + (tail & 0x7fff_ffff);
    let begins = prefix.starts_with(b"GGUF") && matches!(prefix.get(4..8), Some([2 | 3, 0, 0, 0]));
    let n_entries = |at: usize| number::<8>(prefix.get(at..)?).map(|(n, _)| n).filter(|n| *n <= 1 << 16);
    let refused =
        if begins && n_entries(8).is_some() && n_entries(16).is_some() { Reach::Inside } else { Reach::Header };
    if is_part {
        return match gguf::parse_parts(&[(prefix, file_bytes)]) {
            Ok(checkpoint) => whole(&checkpoint, file_bytes, reads_texts(prefix)),
            Err(_) => refused,
        };
    }
    match gguf::parse(prefix, file_bytes) {
        Ok(Parsed::Done { checkpoint, data_start }) => {
            assert!(data_start >= 24, "a header has 24 bytes at least");
            whole(&checkpoint, file_bytes, reads_texts(prefix))
        }
        Ok(Parsed::NeedBytes(n_bytes)) => {
            assert!(n_bytes > prefix.len() as u64 && n_bytes <= file_bytes, "asks for {n_bytes} of {file_bytes}");
            refused
        }
        Err(_) => refused,
    }
}

/// A folder: `config.json`, and a safetensors file after four bytes that say how long its data is.
pub fn safetensors(input: &[u8]) -> Reach {
    let Some((config, rest)) = text(input) else { return Reach::Header };
    let Some((tail, prefix)) = number::<4>(rest) else { return Reach::Header };
    let file_bytes = prefix.len() as u64 + tail;
    let header = number::<8>(prefix).and_then(|(n, rest)| rest.get(..usize::try_from(n).ok()?));
    let refused = if header.is_some_and(is_json) { Reach::Inside } else { Reach::Header };
    let tensors = match safetensors::parse(prefix, file_bytes, 0) {
        Ok(safetensors::Parsed::Done(tensors)) => tensors,
        Ok(safetensors::Parsed::NeedBytes(n_bytes)) => {
            assert!(n_bytes > prefix.len() as u64 && n_bytes <= file_bytes, "asks for {n_bytes} of {file_bytes}");
            return refused;
        }
        Err(_) => return refused,
    };
    let tokenizer = Some(texts::PLAIN_TOKENIZER.to_owned());
    let folder = hf_config::Folder { config: config.to_owned(), tokenizer, ..Default::default() };
    match hf_config::checkpoint(&folder, tensors) {
        Ok(checkpoint) => whole(&checkpoint, file_bytes, false),
        Err(_) => refused,
    }
}

/// Whether a file's vocabulary is used: building it is slow beside reading it, so one in sixteen is.
fn reads_texts(file: &[u8]) -> bool {
    file.iter().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) & 15 == 0
}

/// Goes on as a load does before it asks a GPU for anything.
fn whole(checkpoint: &Checkpoint, file_bytes: u64, reads_texts: bool) -> Reach {
    for tensor in &checkpoint.tensors {
        let end = tensor.offset.checked_add(tensor.n_bytes).expect("an end");
        assert!(end <= file_bytes, "{} ends at {end} of {file_bytes}", tensor.name);
    }
    let Ok((mut graph, limits)) = models::record(checkpoint) else { return Reach::Inside };
    let spans = spans(checkpoint);
    let chunks = cut(file_bytes, 0, &spans, DEFAULT_CHUNK_BYTES);
    if let Ok(chunks) = &chunks {
        assert_eq!(chunks.iter().map(|chunk| chunk.len).sum::<u64>(), file_bytes, "chunks cover the file");
    }
    fuse(&mut graph);
    let context = limits.max_position_embeddings.clamp(1, CONTEXT);
    let device = Device::default();
    let kernels =
        likeliest(&Capabilities::default(), &Wanted::new(&[], Function::SiluMul)).expect("kernels for any device");
    let footprint = Footprint::of(&graph, context, device, kernels.variants(KvFormat::F32));
    let fits = footprint.check(device).is_ok() && footprint.total() < u64::MAX;
    let taken = if chunks.is_ok() && fits { Reach::Whole } else { Reach::Inside };
    if !reads_texts {
        return taken;
    }
    let Ok(tokenizer) = Tokenizer::new(&checkpoint.tokenizer) else { return Reach::Inside };
    texts::use_tokenizer(&tokenizer);
    let text = Text::new(tokenizer, checkpoint.chat_template.clone(), checkpoint.generation.clone());
    let answers =
        checkpoint.chat_template.is_none() || text.apply_chat_template(&Chat::new(texts::messages()), Some(0)).is_ok();
    if answers { taken } else { Reach::Inside }
}
