//! Everything of a model on the GPU that can be made before its weights have come: memory, and which kernels it needs. So
//! kernels compile while weights download.

use std::rc::Rc;

use super::{MAX_OUTPUTS, PREFILL_ROWS, kv_bytes, layer_bytes};
use crate::error::Result;
use crate::gpu::{Gpu, GpuBuffer, KernelSpec, Usage};
use crate::graph::fuse_one_row::{fold_output_norms, fuse_one_row, prepare_norms, prepare_output_norms};
use crate::graph::lower::{Bindings, Bucket, Planned, activation_bytes, lower};
use crate::graph::weights::GpuWeights;
use crate::graph::{CacheLayer, Graph, RopeTable, StateLayer};
use crate::ops::sample::Sampling;
use crate::ops::{GpuKvLayer, GpuState, Reduce, Variants};

/// Positions of a rotary table that are computed at once.
const ROPE_POSITIONS: usize = 4096;

/// A model on the GPU, without its weights' values.
pub struct PlannedModel {
    pub(super) decode: Planned,
    pub(super) prefill: Planned,
    pub(super) step: Rc<GpuBuffer>,
    pub(super) sampling: Sampling,
    pub(super) rope_tables: RopeTables,
    /// Each layer's state, and a copy of it.
    pub(super) states: Vec<[Rc<GpuBuffer>; 2]>,
}

/// Rotary tables on the GPU: `[positions, rotary_dim / 2]` of (cos, sin).
pub(super) struct RopeTables {
    tables: Vec<RopeTable>,
    /// By table; of those that only stand in for others, nothing.
    buffers: Vec<Rc<GpuBuffer>>,
    capacity: u32,
}

impl PlannedModel {
    /// Makes caches and room for steps of `graph`, whose weights are allocated.
    ///
    /// # Errors
    /// `out_of_memory`, `gpu`.
    pub async fn new(
        gpu: &Gpu,
        graph: &Graph,
        weights: &GpuWeights,
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
        let state_bytes =
            |layer: &StateLayer| u64::from(layer.positions) * u64::from(layer.width.next_multiple_of(4)) * 4;
        for spec in &graph.states {
            gpu.check_fits("the state of a layer", state_bytes(spec))?;
        }
        let make_states = || {
            let state = |(layer, spec): (usize, &StateLayer)| {
                ["state", "kept_state"].map(|kind| {
                    Rc::new(gpu.create_buffer(&format!("layer.{layer}.{kind}"), state_bytes(spec), Usage::Storage))
                })
            };
            graph.states.iter().enumerate().map(state).collect::<Vec<_>>()
        };
        let needed = 2 * graph.states.iter().map(state_bytes).sum::<u64>();
        let states = gpu.guarded("making room for the layers' states", needed, make_states).await?;
        let bound = |(spec, [state, _]): (&StateLayer, &[Rc<GpuBuffer>; 2])| GpuState {
            buffer: Rc::clone(state),
            positions: spec.positions,
        };
        let bound_states: Vec<_> = graph.states.iter().zip(&states).map(bound).collect();
        let rope_tables = RopeTables::new(gpu, graph, weights, capacity)?;
        let step = Rc::new(gpu.create_buffer("step", 16 + 16 * PREFILL_ROWS as u64, Usage::Storage));
        let sampling = Sampling::new(gpu, graph.values[graph.logits].width);
        let bindings = Bindings {
            weights,
            caches: &caches,
            states: &bound_states,
            rope_tables: &rope_tables.buffers,
            step: &step,
            sampling: &sampling,
            variants,
        };
        let (mut one_row, mut several) = (graph.clone(), graph.clone());
        fuse_one_row(&mut one_row, gpu.max_bytes());
        if variants.matvec == Reduce::None {
            fold_output_norms(&mut several);
        }
        if variants.prepares_norms() {
            prepare_norms(&mut one_row, gpu.max_bytes());
            prepare_output_norms(&mut several, gpu.max_bytes());
        }
        let decode_bucket = Bucket { max_rows: 1, max_outputs: 1 };
        let prefill_bucket = Bucket { max_rows: PREFILL_ROWS as u32, max_outputs: MAX_OUTPUTS as u32 };
        let needed = activation_bytes(&one_row, decode_bucket) + activation_bytes(&several, prefill_bucket);
        let lower_both = || {
            let decode = lower(gpu, &one_row, &bindings, decode_bucket, false)?;
            Ok((decode, lower(gpu, &several, &bindings, prefill_bucket, false)?))
        };
        let (decode, prefill) = gpu.guarded("making room for a step", needed, lower_both).await??;
        Ok(Self { decode, prefill, step, sampling, rope_tables, states })
    }

    /// The kernels that steps need.
    pub fn kernels(&self) -> Vec<KernelSpec> {
        self.decode.kernels().chain(self.prefill.kernels()).cloned().collect()
    }
}

impl RopeTables {
    fn new(gpu: &Gpu, graph: &Graph, weights: &GpuWeights, capacity: u32) -> Result<Self> {
        let tables = graph.rope_tables.clone();
        let stands_in = |i: usize| tables.iter().any(|table| table.long.is_some_and(|(_, long)| long == i));
        let buffer = |(i, table): (usize, &RopeTable)| {
            if stands_in(i) {
                return Ok(Rc::clone(&weights.nothing));
            }
            let bytes = u64::from(capacity) * table.inv_freq.len() as u64 * 8;
            gpu.check_fits("a table of rotary angles", bytes)?;
            Ok(Rc::new(gpu.create_buffer("rope_table", bytes, Usage::Storage)))
        };
        let buffers = tables.iter().enumerate().map(buffer).collect::<Result<_>>()?;
        Ok(Self { tables, buffers, capacity })
    }

    /// Sequences of more tokens than this take other tables.
    pub(super) fn long_from(&self) -> Option<u32> {
        self.tables.iter().find_map(|table| Some(table.long?.0))
    }

    /// Writes the tables, for long sequences or for others, in pieces: a long context's must not stand whole in the wasm heap.
    pub(super) fn write(&self, gpu: &Gpu, weights: &GpuWeights, long: bool) {
        for (table, buffer) in self.tables.iter().zip(&self.buffers) {
            if Rc::ptr_eq(buffer, &weights.nothing) {
                continue;
            }
            let table = table.long.filter(|_| long).map_or(table, |(_, other)| &self.tables[other]);
            let divisors = table.divisors.map(|weight| weights.cpu_vector(weight));
            let position_bytes = table.inv_freq.len() as u64 * 8;
            for first in (0..self.capacity).step_by(ROPE_POSITIONS) {
                let last = self.capacity.min(first + ROPE_POSITIONS as u32);
                let angles = table.angles(first..last, divisors.as_deref());
                gpu.write(buffer, u64::from(first) * position_bytes, bytemuck::cast_slice(&angles));
            }
        }
    }
}
