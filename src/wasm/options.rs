//! Options as JavaScript writes them. Whatever a page passes is deserialised into these, and checked here and by what reads them.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::embed::{EmbedOptions, Pooling};
use crate::engine::EngineOptions;
use crate::error::{Error, Result};
use crate::generate::{ContextPolicy, GenerateOptions};
use crate::ops::KvFormat;
use crate::quantize::Quantize;
use crate::sampler::SamplerOptions;
use crate::session::AdapterUse;
use crate::text::{Chat, ChatEnd};
use crate::tune::{Kernels, Precision, Role};
use crate::weights::Update;
use crate::weights::manifest::unhex;
use crate::weights::plan::DEFAULT_CHUNK_BYTES;

/// Likeliest tokens that are told at each place, at most; the OpenAI API has the same limit.
const MAX_TOP_LOGPROBS: u64 = 20;

/// What answers need of the page's surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// Seconds since local midnight of 1 January 1970, by the reader's clock.
    pub local_secs: i64,
    /// The seed of an answer that states none: a whole number below 2^53.
    pub seed: f64,
}

/// How to load a model.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct WireLoadOptions {
    /// The name that it is stored by.
    pub name: Option<String>,
    /// The hash that the file must have, in hex.
    pub sha256: Option<String>,
    /// Whether it is kept.
    pub store: Option<bool>,
    /// Tokens that prompt and answer may have together.
    pub context: Option<u32>,
    /// Instead of the model's own.
    pub chat_template: Option<String>,
    /// Steps under way before their tokens were read.
    pub run_ahead: Option<usize>,
    /// Which kernels, by name.
    pub kernels: Option<String>,
    /// Which variants of the other roles, by name.
    pub variants: HashMap<String, String>,
    /// `exact` or `fast`.
    pub precision: Option<String>,
    /// `webgpu` or `reference`.
    pub backend: Option<String>,
    /// `auto`, `f32` or `f16`.
    pub kv_cache: Option<String>,
    /// `auto`: less context where there is no room.
    pub fit: Option<String>,
    /// Whether a stored model is replaced where its files have changed at their addresses.
    pub update: Option<bool>,
    /// Whether models that were not used for long may be given up for this one.
    pub evict: Option<bool>,
    quantize: Option<String>,
}

impl WireLoadOptions {
    /// Whether the engine may choose all kernels, or take what it chose before.
    pub fn chooses_kernels(&self) -> bool {
        self.kernels.is_none() && self.variants.is_empty()
    }

    /// Whether what the model takes is kept for its next load: where it is stored, and takes what it always does.
    pub fn keeps_kernels(&self) -> bool {
        self.chooses_kernels() && self.store != Some(false) && self.precision.is_none() && self.kv_cache.is_none()
    }

    /// What is done where a stored model's files have changed at their addresses.
    pub fn update(&self) -> Update {
        if self.update == Some(true) { Update::Replace } else { Update::Notice }
    }

    /// What weights are quantised to.
    ///
    /// # Errors
    /// `bad_argument` for a format that nothing is quantised to.
    pub fn quantize(&self) -> Result<Option<Quantize>> {
        self.quantize.as_deref().map(Quantize::named).transpose()
    }

    /// What the engine reads of them; the paths come with the source.
    ///
    /// # Errors
    /// `bad_argument` (data: `argument`).
    pub fn engine(&self) -> Result<EngineOptions> {
        let kv = match self.kv_cache.as_deref() {
            None | Some("auto") => None,
            Some("f32") => Some(KvFormat::F32),
            Some("f16") => Some(KvFormat::F16),
            Some(other) => return Err(Error::bad_argument("kvCache", format!("there is no KV cache in {other:?}"))),
        };
        let kernels = match self.kernels.as_deref() {
            None => None,
            Some(name) => Some(
                Kernels::named(name)
                    .ok_or_else(|| Error::bad_argument("kernels", format!("there are no kernels {name:?}")))?,
            ),
        };
        let forced = |(role, variant): (&String, &String)| match Role::named(role) {
            // The option `kernels` has that one.
            Some(Role::Matvec) | None => {
                let message =
                    format!("there is no choice of variants for {role:?}, but for matmul, splits, queries and norm");
                Err(Error::bad_argument("variants", message))
            }
            Some(role) => Ok((role, variant.clone())),
        };
        let variants = self.variants.iter().map(forced).collect::<Result<_>>()?;
        let precision = match self.precision.as_deref() {
            None => Precision::Exact,
            Some(name) => Precision::named(name).ok_or_else(|| {
                Error::bad_argument("precision", format!("precision is \"exact\" or \"fast\", not {name:?}"))
            })?,
        };
        let steps_down = match self.fit.as_deref() {
            None => false,
            Some("auto") => true,
            Some(other) => return Err(Error::bad_argument("fit", format!("there is no way to fit {other:?}"))),
        };
        Ok(EngineOptions {
            paths: Vec::new(),
            context: self.context,
            chat_template: self.chat_template.clone(),
            run_ahead: self.run_ahead,
            kernels,
            variants,
            precision,
            kv,
            chunk_bytes: DEFAULT_CHUNK_BYTES,
            steps_down,
        })
    }
}

/// A stated hash.
///
/// # Errors
/// `bad_argument` for what is none.
pub fn hash_of(sha256: Option<&str>) -> Result<Vec<Option<[u8; 32]>>> {
    let hash = |text| unhex(text).ok_or_else(|| Error::bad_argument("sha256", "sha256 must be 64 hexadecimal digits"));
    sha256.map(|text| hash(text).map(Some)).into_iter().collect()
}

/// How an adapter's files are kept and checked.
#[derive(Clone, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct WireAdapterOptions {
    /// The name that it is stored by.
    pub name: Option<String>,
    /// The hash that the file must have, in hex.
    pub sha256: Option<String>,
    /// Whether it is kept.
    pub store: Option<bool>,
}

/// An adapter of a request, by its number.
#[derive(Deserialize)]
pub struct WireAdapterUse {
    /// Its number.
    pub id: u32,
    /// Factor on what it adds.
    pub scale: Option<f32>,
}

/// What a chat template gets beside messages.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct WireChatOptions {
    tools: Option<Vec<Value>>,
    template_args: Map<String, Value>,
    add_generation_prompt: Option<bool>,
    continue_final_message: bool,
}

impl WireChatOptions {
    /// The conversation of these messages.
    pub fn chat(self, messages: Vec<Value>) -> Chat {
        let end = match (self.continue_final_message, self.add_generation_prompt) {
            (true, _) => ChatEnd::InMessage,
            (false, Some(false)) => ChatEnd::Message,
            (false, _) => ChatEnd::Answer,
        };
        Chat { messages, tools: self.tools, template_args: self.template_args, end }
    }
}

/// How to answer.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct WireGenerateOptions {
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    logit_bias: HashMap<String, f32>,
    allowed_token_ids: Vec<u32>,
    seed: Option<f64>,
    stop: Vec<String>,
    max_tokens: Option<f64>,
    ignore_eos: bool,
    logprobs: bool,
    top_logprobs: f64,
    special_tokens: bool,
    /// What a chat template gets.
    pub chat: WireChatOptions,
    context_policy: Option<String>,
    /// Adapters, by number.
    pub adapters: Vec<WireAdapterUse>,
}

/// How to embed.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct WireEmbedOptions {
    pooling: Option<String>,
    normalize: Option<bool>,
}

impl WireEmbedOptions {
    /// `pooling` is the model's own.
    ///
    /// # Errors
    /// `bad_argument` for a way of pooling that is not known.
    pub fn read(self, pooling: Option<&str>) -> Result<EmbedOptions> {
        let plain = EmbedOptions::default();
        let pooling = self.pooling.as_deref().or(pooling).map_or(Ok(plain.pooling), Pooling::named)?;
        Ok(EmbedOptions { pooling, normalize: self.normalize.unwrap_or(plain.normalize) })
    }
}

impl WireGenerateOptions {
    /// With the adapters that they name.
    ///
    /// # Errors
    /// `bad_argument` for numbers that are none or out of range.
    pub fn read(self, adapters: Vec<AdapterUse>, surroundings: Surroundings) -> Result<GenerateOptions> {
        let plain = SamplerOptions::default();
        let bias = |(id, bias): (&String, &f32)| {
            let id = id.parse().map_err(|_| Error::bad_argument("logitBias", format!("{id:?} is no token id")))?;
            Ok((id, *bias))
        };
        let whole = |name: &str, value: f64| {
            if value >= 0.0 && value.fract() == 0.0 && value <= 9_007_199_254_740_991.0 {
                return Ok(value as u64);
            }
            Err(Error::bad_argument(name, format!("{name} is {value}, but must be a whole number from 0 on")))
        };
        // Without a seed each answer draws anew.
        let seed = self.seed.unwrap_or(surroundings.seed);
        let sampler = SamplerOptions {
            temperature: self.temperature.unwrap_or(plain.temperature),
            top_k: self.top_k.unwrap_or(plain.top_k),
            top_p: self.top_p.unwrap_or(plain.top_p),
            min_p: self.min_p.unwrap_or(plain.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(plain.repetition_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(plain.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(plain.presence_penalty),
            logit_bias: self.logit_bias.iter().map(bias).collect::<Result<_>>()?,
            allowed_token_ids: self.allowed_token_ids,
            masked: plain.masked,
            seed: whole("seed", seed)?,
        };
        Ok(GenerateOptions {
            sampler,
            stop: self.stop,
            max_tokens: self
                .max_tokens
                .map(|n| whole("maxTokens", n))
                .transpose()?
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            ignore_eos: self.ignore_eos,
            logprobs: self.logprobs || self.top_logprobs > 0.0,
            top_logprobs: match whole("topLogprobs", self.top_logprobs)? {
                n if n <= MAX_TOP_LOGPROBS => n as usize,
                n => {
                    let message = format!("topLogprobs is {n}, but must be at most {MAX_TOP_LOGPROBS}");
                    return Err(Error::bad_argument("topLogprobs", message));
                }
            },
            special_tokens: self.special_tokens,
            context_policy: self.context_policy.as_deref().map_or(Ok(ContextPolicy::Error), ContextPolicy::named)?,
            adapters,
            now_secs: Some(surroundings.local_secs),
        })
    }
}
