//! What a model is and whether it fits, from the headers of its files: no weight is fetched, nothing is stored.

use serde::Serialize;

use crate::checkpoint;
use crate::engine::{self, EngineOptions};
use crate::error::Result;
use crate::fit::{self, Adjustment, Choice, Verdict};
use crate::footprint::{Device, kv_bytes_per_token};
use crate::format::Checkpoint;
use crate::gpu::Gpu;
use crate::graph::fuse::fuse;
use crate::models;
use crate::ops::{KvFormat, Variants};
use crate::tune::Tuning;
use crate::weights::{ByteSource, ChunkStore, ModelFiles};

/// What a model is and takes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Hugging Face's `model_type`.
    pub architecture: String,
    /// `decoder`, `encoder` or `encoder-decoder`.
    pub kind: &'static str,
    /// What the files call themselves.
    pub title: Option<String>,
    /// The licence as the files name it; `None` where they do not.
    pub license: Option<String>,
    /// Weights in all tensors.
    pub parameters: u64,
    /// Entries of the logits.
    pub vocab_size: u32,
    /// The formats of the tensors, the one of the most bytes first.
    pub formats: Vec<FormatShare>,
    /// Tokens that the model was made for.
    pub max_context: u32,
    /// Tokens that a load would make room for.
    pub context: u32,
    /// How keys and values would be kept.
    pub kv_cache: &'static str,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Bytes of them that are stored.
    pub stored_bytes: u64,
    /// Bytes of them that a load would fetch.
    pub download_bytes: u64,
    /// What it takes on the GPU.
    pub gpu: GpuNeeds,
    /// Bytes that may still be stored, as the platform estimates; `None` where it does not say.
    pub available_storage_bytes: Option<u64>,
    /// Whether it fits.
    pub verdict: Verdict,
    /// Why not, or why hardly.
    pub reason: Option<String>,
    /// What was changed to make it fit, where the caller allows it.
    pub adjustments: Vec<Adjustment>,
}

/// The tensors of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormatShare {
    /// The format's name, e.g. `Q4_K`.
    pub format: &'static str,
    /// How many tensors.
    pub tensors: usize,
    /// Their bytes in the files.
    pub bytes: u64,
}

/// Bytes on the GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuNeeds {
    /// All of the following, once the model is loaded.
    pub total_bytes: u64,
    /// Weights as kernels read them.
    pub weights_bytes: u64,
    /// Keys and values of the whole context.
    pub kv_bytes: u64,
    /// Keys and values of a token.
    pub kv_bytes_per_token: u64,
    /// Values between ops, and states.
    pub activation_bytes: u64,
    /// Tables, parameters, and what is read back.
    pub other_bytes: u64,
    /// The longest buffer, and what is in it: no binding is longer.
    pub largest_binding_bytes: u64,
    /// See `largest_binding_bytes`.
    pub largest_binding: String,
    /// Bytes that a binding may have on this device; `None` without one.
    pub max_binding_bytes: Option<u64>,
}

/// Reads a model's headers, and sees whether `gpu` has room for it. `gpu: Err` is why there is none.
///
/// # Errors
/// `bad_argument` for a context that the model has not; what the files and the network make of it; `device_lost`, `gpu`.
pub async fn inspect<S, T>(
    mut files: ModelFiles<S, T>,
    gpu: Result<&Gpu>,
    options: &EngineOptions,
    known_tuning: &dyn Fn(&str) -> Option<Tuning>,
) -> Result<Inspection>
where
    S: ByteSource,
    T: ChunkStore<Bytes = S::Bytes>,
{
    let checkpoint = checkpoint::read_headers(&mut files, &options.paths).await?;
    files.learn_sizes().await?;
    let (mut graph, limits) = models::record(&checkpoint)?;
    fuse(&mut graph);
    let wanted = engine::context(options, limits.max_position_embeddings)?;
    let (choice, mut verdict, mut reason) = match &gpu {
        Ok(gpu) => {
            let (formats, key) = engine::tuning_key(&graph, options.precision);
            let wanted_kernels = engine::wanted_kernels(&formats, &graph, options);
            let expected = engine::expected(gpu, known_tuning(&key).as_ref(), &wanted_kernels)?;
            let choices = engine::choices(gpu, &graph, wanted, options, &expected);
            first_that_fits(gpu, &choices, options.chunk_bytes).await?
        }
        Err(error) => {
            let any = |kv| Variants { kv, ..Variants::default() };
            let kv = options.kv.unwrap_or(KvFormat::F16);
            let mut choices = fit::choices(&graph, &[wanted], Device::default(), |_| kv, any);
            (choices.remove(0), Verdict::No, Some(error.message().to_owned()))
        }
    };
    let file_bytes: u64 = (0..files.n_files()).map(|file| files.file_bytes(file)).sum();
    let stored_bytes = files.stored_bytes().min(file_bytes);
    let download_bytes = file_bytes - stored_bytes;
    let usage = files.store().usage().await?;
    let available = usage.quota_bytes.zip(usage.used_bytes).map(|(quota, used)| quota.saturating_sub(used));
    if verdict == Verdict::Fits && available.is_some_and(|available| available < download_bytes) {
        verdict = Verdict::Tight;
        let available = available.unwrap_or_default();
        reason = Some(format!(
            "the browser estimates room for {available} bytes in its storage, and {download_bytes} are to be stored: remove other \
             models, or load without storing"
        ));
    }
    let Choice { context, kv, footprint } = choice;
    let (largest_binding_bytes, largest_binding) = footprint.largest.clone();
    Ok(Inspection {
        architecture: checkpoint.model_type.clone(),
        kind: engine::kind_name(graph.kind()),
        title: checkpoint.name.clone(),
        license: checkpoint.license.clone(),
        parameters: checkpoint.parameters(),
        vocab_size: limits.vocab_size,
        formats: formats(&checkpoint),
        max_context: limits.max_position_embeddings,
        context,
        kv_cache: kv.name(),
        file_bytes,
        stored_bytes,
        download_bytes,
        gpu: GpuNeeds {
            total_bytes: footprint.total(),
            weights_bytes: footprint.weights,
            kv_bytes: footprint.kv,
            kv_bytes_per_token: kv_bytes_per_token(&graph.caches, kv),
            activation_bytes: footprint.activations,
            other_bytes: footprint.other,
            largest_binding_bytes,
            largest_binding,
            max_binding_bytes: gpu.ok().map(Gpu::max_bytes),
        },
        available_storage_bytes: available,
        verdict,
        reason,
        adjustments: (context != wanted).then(|| Adjustment::context(wanted, context)).into_iter().collect(),
    })
}

/// The first choice that fits or is tight; the wanted one if none is.
async fn first_that_fits(gpu: &Gpu, choices: &[Choice], more_bytes: u64) -> Result<(Choice, Verdict, Option<String>)> {
    let mut of_wanted = None;
    for choice in choices {
        let (verdict, reason) = fit::verdict(gpu, choice, more_bytes).await?;
        let found = (choice.clone(), verdict, reason);
        if verdict != Verdict::No {
            return Ok(found);
        }
        of_wanted.get_or_insert(found);
    }
    of_wanted.ok_or_else(|| crate::error::Error::internal("no context to try"))
}

fn formats(checkpoint: &Checkpoint) -> Vec<FormatShare> {
    let mut shares: Vec<FormatShare> = Vec::new();
    for tensor in &checkpoint.tensors {
        let format = tensor.format.spec().name;
        let at = shares.iter().position(|share| share.format == format).unwrap_or(shares.len());
        if at == shares.len() {
            shares.push(FormatShare { format, tensors: 0, bytes: 0 });
        }
        shares[at].tensors += 1;
        shares[at].bytes = shares[at].bytes.saturating_add(tensor.n_bytes);
    }
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}
