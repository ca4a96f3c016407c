//! A loaded model: its text side (tokenizer, chat template) and its sequence on a backend. Everything here runs natively
//! and in wasm alike.

mod kernels;
mod prepare;
mod roles;
mod room;

use std::rc::Rc;

use futures_util::future::try_join;
use serde::Serialize;

use self::kernels::each_once;
pub(crate) use self::kernels::{tuning_key, wanted_kernels};
use self::prepare::{Prepared, Preparing};
pub use roles::roles;
pub(crate) use room::{choices, expected};

use crate::adapter::{AdapterBase, AdapterInfo};
use crate::backend::{Adapter, Backend, Kind, kv_format};
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::fit::{self, Adjustment};
use crate::gpu::{Capabilities, Gpu, KernelSpec};
use crate::graph::fuse::fuse;
use crate::graph::reference::ReferenceModel;
use crate::graph::weights::{CpuSink, CpuWeights, GpuSink, spans};
use crate::models;
use crate::ops::KvFormat;
use crate::session::Session;
use crate::text::Text;
use crate::tokenizer::Tokenizer;
use crate::tune::{Kernels, Precision, Role, Tuning};
use crate::weights::{ByteSource, Cancel, ChunkStore, Integrity, Millis, ModelFiles, Progress};

/// Tokens that a sequence may have where the caller does not say: more costs memory that most chats never use.
const DEFAULT_CONTEXT: u32 = 4096;

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Names of the model's files in the source's order; none for a single GGUF file (see [`checkpoint::read`]).
    pub paths: Vec<String>,
    /// Tokens that prompt and answer may have together; by default the model's own limit, at most 4096.
    pub context: Option<u32>,
    /// Tokens that are computed before the one before them was seen, fixed; left open, the engine adapts it.
    pub run_ahead: Option<usize>,
    /// The kernels to use whatever is faster, for debugging.
    pub kernels: Option<Kernels>,
    /// The variants to use for other roles whatever is faster, for debugging ([`Role::variant`]).
    pub variants: Vec<(Role, String)>,
    /// How exactly linears are computed; the references are exact.
    pub precision: Precision,
    /// A Jinja chat template instead of the model's own.
    pub chat_template: Option<String>,
    /// How keys and values are kept; by default as [`kv_format`] decides.
    pub kv: Option<KvFormat>,
    /// Upper bound of a chunk in bytes; the uploader's staging buffer is as large.
    pub chunk_bytes: u64,
    /// Whether the context is made shorter where the device has no room for it.
    pub steps_down: bool,
}

/// What a loaded model is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// Hugging Face's `model_type`.
    pub architecture: String,
    /// `decoder`, `encoder` or `encoder-decoder`: what it can be asked for.
    pub kind: &'static str,
    /// Which row of an encoder stands for a text unless a call says otherwise, as [`crate::embed::Pooling::named`] takes it.
    pub pooling: Option<String>,
    /// What the file calls itself.
    pub title: Option<String>,
    /// The licence as the file names it.
    pub license: Option<String>,
    /// Weights in all tensors.
    pub parameters: u64,
    /// Tokens that prompt and answer may have together.
    pub context: u32,
    /// Entries of the logits.
    pub vocab_size: u32,
    /// `verified` or `unverified`, by the hashes that were stated.
    pub integrity: &'static str,
    /// Keys and values are kept in `f32` or `f16`.
    pub kv_cache: &'static str,
    /// The device; none on the CPU references.
    pub adapter: Option<Capabilities>,
    /// The files at the model's addresses are others than the stored ones, which are used.
    pub outdated: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What was changed to make the model fit; `warnings` says the same in sentences.
    pub adjustments: Vec<Adjustment>,
    /// What loading took.
    pub load: LoadInfo,
}

/// What loading took, in bytes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadInfo {
    /// Over the network.
    pub bytes_downloaded: u64,
    /// Out of the store.
    pub bytes_from_store: u64,
    /// Chunks fetched again because what was stored was damaged.
    pub chunks_refetched: u64,
    /// On the GPU: weights, caches and activations.
    pub gpu_bytes: u64,
    /// Of the tokenizer, estimated.
    pub tokenizer_bytes: u64,
    /// Where the time went.
    pub times: LoadTimes,
}

/// Milliseconds that a load waited for each kind of work. Kinds go on at the same time: the sum may be longer than the load.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LoadTimes {
    /// For the network.
    pub fetch: f64,
    /// For hashes of chunks and files.
    pub hash: f64,
    /// For the store, read or written.
    pub store: f64,
    /// For the way to the GPU, and the kernels that repack there.
    pub upload: f64,
    /// For the choice of kernels.
    pub tune: f64,
    /// For the browser to compile kernels.
    pub compile: f64,
}

/// A loaded model.
pub struct Engine {
    /// What it is.
    pub info: ModelInfo,
    /// Its text side.
    pub text: Rc<Text>,
    /// Its sequence.
    pub session: Session,
    /// What adapters are loaded by; a reason where they are not applied.
    pub adaptable: Result<Rc<AdapterBase>>,
    /// The kernels that were chosen, and for which formats and precision; none on the CPU references.
    pub tuning: Option<(String, Tuning)>,
    /// The kernels that loading and answering take: the next load can start them before it has read anything.
    pub kernels: Vec<KernelSpec>,
}

/// What a load reports besides bytes.
pub enum Stage {
    /// Bytes move.
    Bytes(Progress),
    /// Kernels are compiled and memory is made.
    Preparing,
}

impl Engine {
    /// Loads a model: header, tokenizer, graph, then the weights chunk by chunk. `gpu: None` means the CPU references.
    /// `known_tuning` gives the kernels that were chosen before on this device for matrices of these formats, these roles and this
    /// precision (`"Q4_1,Q8_0 (one row);norm;rope attention"`); they are not checked again. What the GPU has no room for is refused
    /// before any weight is fetched.
    ///
    /// # Errors
    /// `out_of_memory` with `needed_bytes` and, where it is a limit of the device, `available_bytes`. What the files, the network,
    /// the store or the GPU make of it; see [`crate::ErrorKind`].
    pub async fn load<S, T>(
        mut files: ModelFiles<S, T>,
        gpu: Option<Rc<Gpu>>,
        options: EngineOptions,
        known_tuning: &dyn Fn(&str) -> Option<Tuning>,
        progress: &dyn Fn(Stage),
        cancel: &Cancel,
    ) -> Result<Self>
    where
        S: ByteSource,
        T: ChunkStore<Bytes = S::Bytes>,
    {
        let checkpoint = checkpoint::read(&mut files, &options.paths).await?;
        let (mut graph, limits) = models::record(&checkpoint)?;
        let wanted = context(&options, limits.max_position_embeddings)?;
        let spans = spans(&checkpoint);
        let on_bytes = |bytes| progress(Stage::Bytes(bytes));
        let mut load = LoadInfo::default();
        let gpu_of_adapters = gpu.clone();
        let mut kernels = Vec::new();
        let (backend, tokenizer, report, adapter, tuning, context, kv) = match gpu {
            Some(gpu) => {
                fuse(&mut graph);
                let (formats, key) = tuning_key(&graph, options.precision);
                let known = known_tuning(&key);
                let wanted_kernels = wanted_kernels(&formats, &graph, &options);
                let expected = expected(&gpu, known.as_ref(), &wanted_kernels)?;
                // The browser compiles all of these while room and the tokenizer are made, bytes come and the choice is checked.
                let started = GpuSink::kernels(&gpu, &graph, &checkpoint);
                gpu.start_compiling(&started)?;
                let (weights, planned, choice) = room::make(&gpu, &graph, wanted, &options, &expected).await?;
                let fit::Choice { context, kv, .. } = choice;
                gpu.start_compiling(&planned.kernels())?;
                let tokenizer = Tokenizer::new(&checkpoint.tokenizer)?;
                let sink = || GpuSink::new(&gpu, &graph, &checkpoint, &weights, options.chunk_bytes);
                let mut sink = gpu.guarded("making room for chunks", options.chunk_bytes, sink).await?;
                let streaming = async {
                    let report = files.stream(&spans, &mut sink, &on_bytes, cancel).await?;
                    sink.check().await?;
                    progress(Stage::Preparing);
                    Ok(report)
                };
                let preparing =
                    Preparing { gpu: &gpu, graph: &graph, weights: &weights, context, kv, wanted: &wanted_kernels };
                let preparing = preparing.prepare(planned, &expected, known);
                let (report, Prepared { planned, tuning, millis }) = try_join(streaming, preparing).await?;
                drop(sink);
                kernels = each_once(started.into_iter().chain(planned.kernels()));
                weights.finish(&gpu);
                let adapter = gpu.capabilities().clone();
                let on_gpu = || Backend::on_gpu(Rc::clone(&gpu), planned, weights, options.run_ahead);
                let backend = gpu.guarded("making room to read results", 0, on_gpu).await??;
                [load.times.tune, load.times.compile] = millis;
                load.gpu_bytes = gpu.counts().gpu_bytes;
                (backend, tokenizer, report, Some(adapter), Some((key, tuning)), context, kv)
            }
            None => {
                let tokenizer = Tokenizer::new(&checkpoint.tokenizer)?;
                let kv = options.kv.unwrap_or_else(|| kv_format(&graph.caches, wanted, None));
                let mut weights = CpuWeights::new(&graph, &checkpoint)?;
                let mut sink = CpuSink { graph: &graph, weights: &mut weights };
                let report = files.stream(&spans, &mut sink, &on_bytes, cancel).await?;
                let model = ReferenceModel::new(graph.clone(), weights, wanted, kv)?;
                (Backend::Reference(Box::new(model)), tokenizer, report, None, None, wanted, kv)
            }
        };
        cancel.check()?;
        load.tokenizer_bytes = tokenizer.approx_bytes() as u64;
        load.bytes_downloaded = report.downloaded_bytes;
        load.bytes_from_store = report.from_store_bytes;
        load.chunks_refetched = report.refetched_chunks;
        let Millis { fetch, hash, store, upload } = report.millis;
        load.times = LoadTimes { fetch, hash, store, upload, ..load.times };
        let is_encoder = backend.kind() == Kind::Encoder;
        let adjustments: Vec<_> =
            (context != wanted).then(|| Adjustment::context(wanted, context)).into_iter().collect();
        let mut warnings = report.warnings;
        warnings.extend(adjustments.iter().map(Adjustment::sentence));
        let info = ModelInfo {
            architecture: checkpoint.model_type.clone(),
            kind: kind_name(backend.kind()),
            license: checkpoint.license.clone(),
            pooling: is_encoder.then(|| checkpoint.pooling.clone().unwrap_or_else(|| "mean".to_owned())),
            title: checkpoint.name.clone(),
            parameters: checkpoint.parameters(),
            context,
            vocab_size: limits.vocab_size,
            integrity: match report.integrity {
                Integrity::Verified => "verified",
                Integrity::Unverified => "unverified",
            },
            kv_cache: kv.name(),
            adapter,
            outdated: report.is_outdated,
            warnings,
            adjustments,
            load,
        };
        let base = |graph| Rc::new(AdapterBase::new(&checkpoint, graph, gpu_of_adapters));
        let adaptable = backend.adaptable().map(base);
        let chat_template = options.chat_template.or(checkpoint.chat_template);
        let text = Rc::new(Text::new(tokenizer, chat_template, checkpoint.generation));
        let session = Session::new(backend, context, limits.vocab_size);
        Ok(Self { info, text, session, adaptable, tuning, kernels })
    }

    /// Loads a LoRA adapter for requests to name ([`crate::generate::GenerateOptions::adapters`],
    /// [`Session::use_adapters`]): a GGUF file, or with `paths` a PEFT folder. The model's weights stay as they are.
    ///
    /// # Errors
    /// `unsupported` for models that adapters are not applied to; else as [`AdapterBase::load`].
    pub async fn load_adapter<S, T>(
        &self,
        files: ModelFiles<S, T>,
        paths: &[String],
        progress: &dyn Fn(Progress),
        cancel: &Cancel,
    ) -> Result<(Rc<Adapter>, AdapterInfo)>
    where
        S: ByteSource,
        T: ChunkStore<Bytes = S::Bytes>,
    {
        self.adaptable.clone()?.load(files, paths, progress, cancel).await
    }
}

/// What a model can be asked for.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Decoder => "decoder",
        Kind::Encoder => "encoder",
        Kind::EncoderDecoder => "encoder-decoder",
    }
}

/// The context that the caller wants, or the usual one.
pub(crate) fn context(options: &EngineOptions, max_position_embeddings: u32) -> Result<u32> {
    match options.context {
        None => Ok(max_position_embeddings.clamp(1, DEFAULT_CONTEXT)),
        Some(context) if (1..=max_position_embeddings).contains(&context) => Ok(context),
        Some(context) => Err(Error::bad_argument(
            "context",
            format!("the model takes a context of 1 to {max_position_embeddings} tokens, not {context}"),
        )),
    }
}
