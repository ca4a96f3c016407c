//! Bytes get names: a model file's header becomes a [`Checkpoint`] in Hugging Face's words.
//!
//! Readers here see headers only, never weights. Whatever a file calls things, a checkpoint uses the names of the
//! Hugging Face implementation of its architecture, so that one model file serves every format.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::quant::Format;

pub mod adapter;
pub mod gguf;
pub mod hf_config;
mod hf_vocab;
mod protobuf;
pub mod safetensors;

/// A model as its files describe it: configuration, tensors, tokenizer, templates.
#[derive(Debug)]
pub struct Checkpoint {
    /// The architecture in Hugging Face's `model_type` spelling, e.g. `llama`.
    pub model_type: String,
    /// `config.json`, or the same keys translated from GGUF metadata.
    pub config: Map<String, Value>,
    /// All tensors, under Hugging Face's names.
    pub tensors: Vec<TensorInfo>,
    /// What the tokenizer is built from.
    pub tokenizer: TokenizerSource,
    /// The Jinja chat template, if the files carry one.
    pub chat_template: Option<String>,
    /// Ids and defaults for generation.
    pub generation: GenerationConfig,
    /// The name that the file gives itself, if any.
    pub name: Option<String>,
    /// Which row of an encoder stands for a text, where the files say so: `mean`, `cls`, or another way by its name.
    pub pooling: Option<String>,
    /// The licence as the files name it, e.g. `apache-2.0`; most Hugging Face folders do not say.
    pub license: Option<String>,
}

/// Where one tensor's bytes are and how to read them.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Hugging Face's name, e.g. `model.layers.3.self_attn.q_proj.weight`.
    pub name: String,
    /// Which of the model's files holds it (0 for a single file).
    pub file: usize,
    /// Offset of the first byte in that file.
    pub offset: u64,
    /// Length in bytes.
    pub n_bytes: u64,
    /// Dimensions, row-major, last one contiguous: a linear weight is `[out_features, in_features]`.
    pub shape: Vec<u64>,
    /// How the bytes encode the weights.
    pub format: Format,
    /// How stored rows map to Hugging Face's row order.
    pub row_map: RowMap,
}

/// How the rows of a stored matrix (or the entries of a stored bias) map to Hugging Face's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowMap {
    /// As stored.
    Identity,
    /// GGUF's Llama files interleave the two halves of each rotary head: stored row `2 i + j` of a head is Hugging Face's
    /// row `j · head_dim / 2 + i` (llama.cpp `convert_hf_to_gguf.py`, `LlamaModel.permute`).
    RopeInterleaved {
        /// Rows of one head.
        head_dim: u32,
    },
}

/// What a tokenizer is built from.
#[derive(Debug)]
pub enum TokenizerSource {
    /// The text of a `tokenizer.json`, and the `tokenizer_config.json` beside it where there is one.
    Json {
        /// `tokenizer.json`.
        tokenizer: String,
        /// `tokenizer_config.json`.
        config: Option<Map<String, Value>>,
    },
    /// The text of a `vocab.txt`, and the `tokenizer_config.json` beside it where there is one.
    VocabTxt {
        /// `vocab.txt`: one piece a line.
        vocab: String,
        /// `tokenizer_config.json`.
        config: Option<Map<String, Value>>,
    },
    /// The `tokenizer.ggml.*` metadata of a GGUF file, or what a folder's `tokenizer.model`, or `vocab.json` and `merges.txt`, say.
    Vocabulary(Box<Vocabulary>),
}

/// A vocabulary in GGUF's words (`tokenizer.ggml.*`), checked for lengths and ranges.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE), `llama` (SentencePiece BPE), `t5` (unigrams), `bert` (word pieces), …
    pub model: String,
    /// `tokenizer.ggml.pre`: the name of the pre-tokenizer.
    pub pre: Option<String>,
    /// One text per id.
    pub tokens: Vec<String>,
    /// One score per id, or empty.
    pub scores: Vec<f32>,
    /// One `llama_token_type` per id, or empty.
    pub token_types: Vec<i32>,
    /// `"left right"` merges by rank.
    pub merges: Vec<String>,
    /// Ids of special tokens by their GGUF key stem: `bos`, `eos`, `unknown`, `padding`, `eot`, …
    pub special_ids: Vec<(String, u32)>,
    /// `add_bos_token`, where stated.
    pub add_bos: Option<bool>,
    /// `add_eos_token`, where stated.
    pub add_eos: Option<bool>,
    /// `add_space_prefix`, where stated.
    pub add_space_prefix: Option<bool>,
    /// The space goes before the first words only, and not after each special token (transformers' `legacy: false`).
    pub prefix_once: bool,
    /// `remove_extra_whitespaces`, where stated.
    pub remove_extra_whitespaces: Option<bool>,
    /// `normalizer.lowercase`, where stated.
    pub lowercase: Option<bool>,
    /// `precompiled_charsmap`: SentencePiece's compiled normalisation rules, or empty.
    pub charsmap: Vec<u8>,
}

/// What `generation_config.json` or GGUF metadata say about generating.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationConfig {
    /// The id that starts a text, if the model uses one.
    pub bos_token_id: Option<u32>,
    /// Ids that end an answer: end of text, end of turn, …
    pub eos_token_ids: Vec<u32>,
    /// The id that an answer starts with, where an encoder reads the prompt and a decoder answers; none for other models.
    pub decoder_start_token_id: Option<u32>,
}

impl Checkpoint {
    /// The tensor of this name. Linear in the number of tensors: for looking at a few, not for loops over all.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Weights in all tensors: scales in tensors of their own are none.
    pub fn parameters(&self) -> u64 {
        let weights = self.tensors.iter().filter(|tensor| tensor.format != Format::MXFP4_SCALES);
        weights.map(|tensor| tensor.shape.iter().product::<u64>()).sum()
    }
}

/// Refuses tensors of one file that share bytes. Ends (`offset + n_bytes`) must have been checked against the file.
///
/// # Errors
/// [`crate::ErrorKind::BadFile`], naming the second tensor.
fn check_overlap(tensors: &[TensorInfo]) -> Result<()> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_unstable_by_key(|tensor| (tensor.file, tensor.offset, tensor.n_bytes));
    for pair in order.windows(2) {
        if pair[0].file == pair[1].file && pair[0].offset + pair[0].n_bytes > pair[1].offset {
            let message = format!("tensors {:?} and {:?} share bytes", pair[0].name, pair[1].name);
            return Err(Error::bad_file(message).with("tensor", pair[1].name.as_str()));
        }
    }
    Ok(())
}
