//! Loads a LoRA adapter beside a running model: headers, a plan of what it changes, then its matrices.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::Serialize;
use serde_json::Value;

use crate::checkpoint;
use crate::error::Result;
use crate::format::gguf::adapter::AdaptedModel;
use crate::format::{Checkpoint, TensorInfo};
use crate::gpu::Gpu;
use crate::graph::adapter::{Adaptable, plan};
use crate::graph::adapter_weights::AdapterBytes;
use crate::graph::weights::tensor_spans;
use crate::graph::{Adapter, Graph};
use crate::weights::{ByteSource, Cancel, ChunkStore, Integrity, ModelFiles, Progress};

/// What is kept of a model, so that adapters can be loaded for it.
pub struct AdapterBase {
    graph: Rc<Graph>,
    gpu: Option<Rc<Gpu>>,
    tensors: Vec<TensorInfo>,
    model: AdaptedModel,
    gguf: bool,
}

/// What a loaded adapter is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdapterInfo {
    /// What the file calls itself.
    pub title: Option<String>,
    /// The largest rank of its matrices.
    pub rank: u32,
    /// What it takes on the GPU, in bytes.
    pub bytes: u64,
    /// The kinds of linears that it changes, e.g. `q_proj`.
    pub targets: Vec<String>,
    /// How many linears it changes.
    pub modules: usize,
    /// `verified` or `unverified`, by the hashes that were stated.
    pub integrity: &'static str,
    /// Over the network.
    pub bytes_downloaded: u64,
    /// Out of the store.
    pub bytes_from_store: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl AdapterBase {
    /// What is kept of the model that `checkpoint` describes. `graph` is the one whose weights are stored.
    pub fn new(checkpoint: &Checkpoint, graph: Rc<Graph>, gpu: Option<Rc<Gpu>>) -> Self {
        let number = |key: &str| checkpoint.config.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let of_heads = || number("hidden_size")?.checked_div(number("num_attention_heads")?);
        let head_dim = number("head_dim").or_else(of_heads).filter(|n| *n > 0);
        Self {
            graph,
            gpu,
            tensors: checkpoint.tensors.clone(),
            model: AdaptedModel { model_type: checkpoint.model_type.clone(), head_dim },
            gguf: checkpoint.config.get("gguf").and_then(Value::as_bool) == Some(true),
        }
    }

    /// Loads an adapter: a GGUF file, or with `paths` a PEFT folder of `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// # Errors
    /// `lora_mismatch` (data: `tensor` or `what`) if it is for another model; `unsupported` (data: `what`) for what doran does not
    /// apply; else what the files, the network, the store or the GPU make of it.
    pub async fn load<S, T>(
        &self,
        mut files: ModelFiles<S, T>,
        paths: &[String],
        progress: &dyn Fn(Progress),
        cancel: &Cancel,
    ) -> Result<(Rc<Adapter>, AdapterInfo)>
    where
        S: ByteSource,
        T: ChunkStore<Bytes = S::Bytes>,
    {
        let checkpoint = checkpoint::read_adapter(&mut files, paths, &self.model).await?;
        let Self { graph, tensors, model, gguf, .. } = self;
        let model = Adaptable { graph, tensors, model_type: &model.model_type, gguf: *gguf };
        let plan = plan(&model, &checkpoint)?;
        let mut bytes = AdapterBytes::new(&checkpoint.tensors);
        bytes.check()?;
        let spans = tensor_spans(&checkpoint.tensors);
        let report = files.stream(&spans, &mut bytes, progress, cancel).await?;
        cancel.check()?;
        let (graph, gpu) = (Rc::clone(graph), self.gpu.as_deref());
        let adapter = Adapter::new(gpu, graph, plan, (&checkpoint.tensors, &bytes), cancel).await?;
        let last_word = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
        let targets: BTreeSet<String> = checkpoint.modules.iter().map(|module| last_word(&module.name)).collect();
        let info = AdapterInfo {
            title: checkpoint.name,
            rank: checkpoint.modules.iter().map(|module| module.rank).max().unwrap_or(0),
            bytes: adapter.bytes(),
            targets: targets.into_iter().collect(),
            modules: checkpoint.modules.len(),
            integrity: match report.integrity {
                Integrity::Verified => "verified",
                Integrity::Unverified => "unverified",
            },
            bytes_downloaded: report.downloaded_bytes,
            bytes_from_store: report.from_store_bytes,
            warnings: report.warnings,
        };
        Ok((Rc::new(adapter), info))
    }
}
