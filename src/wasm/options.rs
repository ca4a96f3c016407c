//! Options as JavaScript writes them.

use std::collections::HashMap;

use serde::Deserialize;

use super::js::local_secs;
use crate::embed::{EmbedOptions, Pooling};
use crate::error::{Error, Result};
use crate::generate::GenerateOptions;
use crate::quantize::Quantize;
use crate::sampler::SamplerOptions;
use crate::session::AdapterUse;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireLoadOptions {
    pub(super) name: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) store: Option<bool>,
    pub(super) context: Option<u32>,
    pub(super) chat_template: Option<String>,
    pub(super) run_ahead: Option<usize>,
    pub(super) kernels: Option<String>,
    pub(super) variants: HashMap<String, String>,
    pub(super) precision: Option<String>,
    pub(super) backend: Option<String>,
    pub(super) kv_cache: Option<String>,
    pub(super) fit: Option<String>,
    quantize: Option<String>,
}

impl WireLoadOptions {
    /// Whether the engine may choose all kernels, or take what it chose before.
    pub(super) fn chooses_kernels(&self) -> bool {
        self.kernels.is_none() && self.variants.is_empty()
    }

    /// What weights are quantised to.
    pub(super) fn quantize(&self) -> Result<Option<Quantize>> {
        self.quantize.as_deref().map(Quantize::named).transpose()
    }
}

/// How an adapter's files are kept and checked.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireAdapterOptions {
    pub(super) name: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) store: Option<bool>,
}

/// An adapter of a request, by its number.
#[derive(Deserialize)]
pub(super) struct WireAdapterUse {
    pub(super) id: u32,
    pub(super) scale: Option<f32>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireGenerateOptions {
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
    pub(super) adapters: Vec<WireAdapterUse>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireEmbedOptions {
    pooling: Option<String>,
    normalize: Option<bool>,
}

impl WireEmbedOptions {
    /// `pooling` is the model's own.
    pub(super) fn read(self, pooling: Option<&str>) -> Result<EmbedOptions> {
        let plain = EmbedOptions::default();
        let pooling = self.pooling.as_deref().or(pooling).map_or(Ok(plain.pooling), Pooling::named)?;
        Ok(EmbedOptions { pooling, normalize: self.normalize.unwrap_or(plain.normalize) })
    }
}

impl WireGenerateOptions {
    pub(super) fn read(self, adapters: Vec<AdapterUse>) -> Result<GenerateOptions> {
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
        let seed = self.seed.unwrap_or_else(|| (js_sys::Math::random() * 9_007_199_254_740_992.0).floor());
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
            logprobs: self.logprobs,
            adapters,
            now_secs: Some(local_secs()),
        })
    }
}
