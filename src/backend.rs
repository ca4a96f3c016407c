//! Runs steps of a model: on the GPU, or on the CPU references.

use std::rc::Rc;

use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, GpuBuffer, StepShape, Usage};
use crate::graph::fuse_one_row::fuse_one_row;
use crate::graph::lower::{Bindings, Bucket, Lowered, activation_bytes, lower};
use crate::graph::reference::ReferenceModel;
use crate::graph::weights::GpuWeights;
use crate::graph::{CacheLayer, Graph};
use crate::ops::{GpuKvLayer, KvFormat, Reduce, StepRow, Variants, argmax};

/// Rows of a prefill step. A step is what an abort waits for.
pub const PREFILL_ROWS: usize = 64;
/// Rows of logits that one step gives at most.
pub const MAX_OUTPUTS: usize = 16;
/// Bytes of a KV cache up to which it is kept in f32 where the caller leaves the choice (see [`kv_format`]).
const SMALL_KV_BYTES: u64 = 32 << 20;
/// Positions of a rotary table that are computed at once.
const ROPE_POSITIONS: usize = 4096;

/// The model on the device that computes it.
pub enum Backend {
    /// WebGPU (natively: Vulkan).
    Gpu(Box<GpuModel>),
    /// The CPU references: slow, and right by definition.
    Reference(Box<ReferenceModel>),
}

impl Backend {
    /// Runs rows whose logits nobody wants.
    ///
    /// # Errors
    /// `device_lost`, `gpu`.
    pub async fn feed(&mut self, rows: &[StepRow]) -> Result<()> {
        match self {
            Self::Gpu(model) => model.feed(rows).await,
            Self::Reference(model) => model.step(rows, 0).map(drop),
        }
    }

    /// Runs rows and returns the id of the last row's largest logit.
    ///
    /// # Errors
    /// `non_finite` if a logit is not finite; `device_lost`, `gpu`.
    pub async fn greedy(&mut self, rows: &[StepRow]) -> Result<u32> {
        match self {
            Self::Gpu(model) => model.greedy(rows).await,
            Self::Reference(model) => argmax::reference(&model.step(rows, 1)?.data).ok_or_else(non_finite),
        }
    }

    /// Runs rows and returns the logits of the last `n_outputs`: `[n_outputs, vocab_size]`.
    ///
    /// # Errors
    /// `device_lost`, `gpu`.
    pub async fn logits(&mut self, rows: &[StepRow], n_outputs: usize) -> Result<Vec<f32>> {
        match self {
            Self::Gpu(model) => model.logits(rows, n_outputs).await,
            Self::Reference(model) => Ok(model.step(rows, n_outputs)?.data),
        }
    }

    /// The dispatches of one decoded token, value and kernel; none on the CPU.
    pub fn decode_labels(&self) -> Vec<String> {
        match self {
            Self::Gpu(model) => model.decode.recording.labels().to_vec(),
            Self::Reference(_) => Vec::new(),
        }
    }
}

/// The error for logits that are no numbers.
pub fn non_finite() -> Error {
    Error::new(
        ErrorKind::NonFinite,
        "the model computes NaN or infinity: its weights are damaged or the GPU computes wrongly",
    )
}

/// How to keep keys and values when the caller leaves it open: half floats, except where the whole cache in f32 is small,
/// or where a software adapter computes, to which unpacking halves is dearer than memory. Half floats cost up to 5e-2 in a
/// logit of SmolLM2, and halve the memory that grows with the context.
pub fn kv_format(caches: &[CacheLayer], capacity: u32, gpu: Option<&Gpu>) -> KvFormat {
    let on_cpu = gpu.is_none_or(|gpu| gpu.capabilities().is_fallback);
    let small = kv_bytes(caches, capacity, KvFormat::F32) <= SMALL_KV_BYTES;
    if on_cpu || small { KvFormat::F32 } else { KvFormat::F16 }
}

/// Bytes of keys and values for one sequence of `capacity` positions.
pub fn kv_bytes(caches: &[CacheLayer], capacity: u32, format: KvFormat) -> u64 {
    let layer = |layer: &CacheLayer| layer_bytes(layer, capacity, format).saturating_mul(2);
    caches.iter().map(layer).fold(0, u64::saturating_add)
}

fn layer_bytes(layer: &CacheLayer, capacity: u32, format: KvFormat) -> u64 {
    u64::from(layer.kv_heads) * u64::from(capacity) * u64::from(layer.head_dim.next_multiple_of(4)) * format.bytes()
}

/// Which kernels fit the device. CPU adapters run barriers at the price of hundreds of multiplications
/// (`docs/performance.md`), so there a sum is one invocation's work.
pub fn variants(gpu: &Gpu, kv: KvFormat) -> Variants {
    let capabilities = gpu.capabilities();
    let reduce = if capabilities.is_fallback {
        Reduce::None
    } else if capabilities.subgroups {
        Reduce::Subgroup
    } else {
        Reduce::Workgroup
    };
    Variants {
        matvec: reduce,
        matvec_workgroup: 64,
        broadcast: capabilities.subgroup_size == Some(4),
        half_bits: capabilities.is_fallback,
        norm: reduce,
        kv,
    }
}

/// A rotary table on the GPU, written in pieces: a long context's table must not stand whole in the wasm heap.
fn rope_table(gpu: &Gpu, graph: &Graph, weights: &GpuWeights, table: usize, capacity: u32) -> Result<GpuBuffer> {
    let spec = &graph.rope_tables[table];
    let divisors = spec.divisors.map(|weight| weights.cpu_vector(weight));
    let position_bytes = spec.inv_freq.len() as u64 * 8;
    let bytes = u64::from(capacity) * position_bytes;
    gpu.check_fits("a table of rotary angles", bytes)?;
    let buffer = gpu.create_buffer("rope_table", bytes, Usage::Storage);
    for first in (0..capacity).step_by(ROPE_POSITIONS) {
        let angles = graph.rope_angles(table, first..capacity.min(first + ROPE_POSITIONS as u32), divisors);
        gpu.write(&buffer, u64::from(first) * position_bytes, bytemuck::cast_slice(&angles));
    }
    Ok(buffer)
}

/// A model on the GPU.
pub struct GpuModel {
    gpu: Rc<Gpu>,
    decode: Lowered,
    prefill: Lowered,
    step: Rc<GpuBuffer>,
    chosen_readback: GpuBuffer,
    logits_readback: GpuBuffer,
    _weights: GpuWeights,
}

impl GpuModel {
    /// Makes caches and recordings for `graph`, whose weights have come.
    ///
    /// # Errors
    /// `out_of_memory`, `gpu`.
    pub async fn new(
        gpu: Rc<Gpu>,
        graph: &Graph,
        weights: GpuWeights,
        capacity: u32,
        variants: Variants,
    ) -> Result<Self> {
        let needed = kv_bytes(&graph.caches, capacity, variants.kv);
        for spec in &graph.caches {
            let what = format!("the cache of a layer for {capacity} tokens");
            gpu.check_fits(&what, layer_bytes(spec, capacity, variants.kv))?;
        }
        let make_caches = || {
            let cache = |(layer, spec): (usize, &CacheLayer)| {
                let bytes = layer_bytes(spec, capacity, variants.kv);
                let buffer = |kind| Rc::new(gpu.create_buffer(&format!("layer.{layer}.{kind}"), bytes, Usage::Storage));
                GpuKvLayer { k: buffer("k_cache"), v: buffer("v_cache"), capacity }
            };
            graph.caches.iter().enumerate().map(cache).collect::<Vec<_>>()
        };
        let caches = gpu.guarded("making room for the KV cache", needed, make_caches).await?;
        let rope_tables = (0..graph.rope_tables.len())
            .map(|table| rope_table(&gpu, graph, &weights, table, capacity).map(Rc::new))
            .collect::<Result<Vec<_>>>()?;
        let step = Rc::new(gpu.create_buffer("step", 16 + 16 * PREFILL_ROWS as u64, Usage::Storage));
        let bindings =
            Bindings { weights: &weights, caches: &caches, rope_tables: &rope_tables, step: &step, variants };
        let mut one_row = graph.clone();
        fuse_one_row(&mut one_row, gpu.max_bytes());
        let decode_bucket = Bucket { max_rows: 1, max_outputs: 1 };
        let prefill_bucket = Bucket { max_rows: PREFILL_ROWS as u32, max_outputs: MAX_OUTPUTS as u32 };
        let needed = activation_bytes(&one_row, decode_bucket) + activation_bytes(graph, prefill_bucket);
        let lower_both = || {
            let decode = lower(&gpu, &one_row, &bindings, decode_bucket, false)?;
            Ok((decode, lower(&gpu, graph, &bindings, prefill_bucket, false)?))
        };
        let (decode, prefill) = gpu.guarded("making room for a step", needed, lower_both).await??;
        let logits_bytes = MAX_OUTPUTS as u64 * u64::from(prefill.logits.stride) * 4;
        let chosen_readback = gpu.create_buffer("chosen.readback", argmax::RESULT_BYTES, Usage::Readback);
        let logits_readback = gpu.create_buffer("logits.readback", logits_bytes, Usage::Readback);
        gpu.check()?;
        Ok(Self { gpu, decode, prefill, step, chosen_readback, logits_readback, _weights: weights })
    }

    /// The device.
    pub fn gpu(&self) -> &Rc<Gpu> {
        &self.gpu
    }

    fn write_rows(&self, rows: &[StepRow], n_outputs: usize) -> Result<StepShape> {
        let max_rows = if rows.len() == 1 { 1 } else { PREFILL_ROWS };
        if rows.is_empty() || rows.len() > max_rows || n_outputs > MAX_OUTPUTS.min(rows.len()) {
            return Err(Error::internal(format!("a step of {} rows with {n_outputs} outputs", rows.len())));
        }
        let mut words = vec![rows.len() as u32, n_outputs as u32, 0, 0];
        for row in rows {
            words.extend([row.token, row.slot, row.position, 0]);
        }
        self.gpu.write(&self.step, 0, bytemuck::cast_slice(&words));
        let kv_length = rows.iter().map(|row| row.position + 1).max().unwrap_or(0);
        Ok(StepShape { n_rows: rows.len() as u32, n_outputs: n_outputs as u32, kv_length })
    }

    fn lowered(&self, rows: &[StepRow]) -> &Lowered {
        if rows.len() == 1 { &self.decode } else { &self.prefill }
    }

    async fn feed(&mut self, rows: &[StepRow]) -> Result<()> {
        let shape = self.write_rows(rows, 0)?;
        let lowered = self.lowered(rows);
        // The read-back is how the CPU learns that the step is done: an abort takes effect between steps.
        let copy = Some((&*lowered.chosen, &self.chosen_readback, argmax::RESULT_BYTES));
        self.gpu.submit(&lowered.recording, &shape, copy);
        self.gpu.read(&self.chosen_readback, 4).await.map(drop)
    }

    async fn greedy(&mut self, rows: &[StepRow]) -> Result<u32> {
        let shape = self.write_rows(rows, 1)?;
        let lowered = self.lowered(rows);
        let copy = Some((&*lowered.chosen, &self.chosen_readback, argmax::RESULT_BYTES));
        self.gpu.submit(&lowered.recording, &shape, copy);
        let bytes = self.gpu.read(&self.chosen_readback, argmax::RESULT_BYTES).await?;
        let word = |i: usize| u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]);
        if word(2) == 0 { Ok(word(0)) } else { Err(non_finite()) }
    }

    async fn logits(&mut self, rows: &[StepRow], n_outputs: usize) -> Result<Vec<f32>> {
        let shape = self.write_rows(rows, n_outputs)?;
        let lowered = self.lowered(rows);
        let (stride, width) = (lowered.logits.stride as usize, lowered.logits.width as usize);
        let n_bytes = (n_outputs * stride * 4) as u64;
        let copy = Some((&*lowered.logits.buffer, &self.logits_readback, n_bytes));
        self.gpu.submit(&lowered.recording, &shape, copy);
        let bytes = self.gpu.read(&self.logits_readback, n_bytes).await?;
        let mut logits = Vec::with_capacity(n_outputs * width);
        for row in bytes.chunks_exact(stride * 4) {
            let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            logits.extend(row[..width * 4].chunks_exact(4).map(value));
        }
        Ok(logits)
    }
}
