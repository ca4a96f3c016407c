//! Everything of a model on the GPU that can be made before its weights have come: memory, and which kernels it needs. So
//! kernels compile while weights download.

use std::rc::Rc;

use super::adapted::Makings;
use super::{MAX_OUTPUTS, PREFILL_ROWS, kv_bytes, layer_bytes, step};
use crate::error::Result;
use crate::gpu::{Gpu, GpuBuffer, KernelSpec, Usage};
use crate::graph::fuse_one_row::{fold_output_norms, fuse_one_row, prepare_norms, prepare_output_norms};
use crate::graph::lower::{Bindings, Bucket, Planned, Room, activation_bytes, lower, lower_in};
use crate::graph::weights::GpuWeights;
use crate::graph::{BiasTable, CacheLayer, Graph, Kind, RopeTable, StateLayer};
use crate::ops::pool::POOLED_ROWS;
use crate::ops::sample::Sampling;
use crate::ops::{GpuKvLayer, GpuState, Reduce, Variants};

/// Positions of a rotary table that are computed at once.
const ROPE_POSITIONS: usize = 4096;

/// A model on the GPU, without its weights' values.
pub struct PlannedModel {
    pub(super) decoder: Option<PlannedDecoder>,
    pub(super) encoder: Option<PlannedEncoder>,
    pub(super) tables: Tables,
}

/// What goes on with a text: steps of one row, and of up to 64.
pub(super) struct PlannedDecoder {
    pub(super) decode: Planned,
    pub(super) prefill: Planned,
    pub(super) step: Rc<GpuBuffer>,
    pub(super) sampling: Sampling,
    /// Each layer's state, and a copy of it.
    pub(super) states: Vec<[Rc<GpuBuffer>; 2]>,
    pub(super) makings: Makings,
}

/// What reads a text of up to `capacity` tokens in one step.
pub(super) struct PlannedEncoder {
    pub(super) planned: Planned,
    pub(super) step: Rc<GpuBuffer>,
    pub(super) capacity: usize,
}

/// What kernels look up by position.
pub(super) struct Tables {
    pub(super) rope: RopeTables,
    biases: Vec<BiasTable>,
    /// `[heads, 2 · max_distance + 1]` by table.
    bias_buffers: Vec<Rc<GpuBuffer>>,
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
        let make_tables = || Tables::new(gpu, graph, weights, capacity);
        let tables = gpu.guarded("making room for tables of positions", 0, make_tables).await??;
        let plan = Planning { gpu, graph, weights, caches: &caches, tables: &tables, variants };
        let kind = graph.kind();
        let encoder = if kind == Kind::Decoder { None } else { Some(plan.encoder(capacity).await?) };
        let decoder = if kind == Kind::Encoder { None } else { Some(plan.decoder().await?) };
        Ok(Self { decoder, encoder, tables })
    }

    /// The kernels that steps need, by step.
    pub fn kernels(&self) -> Vec<KernelSpec> {
        let decoder = self.decoder.iter().flat_map(|planned| [&planned.decode, &planned.prefill]);
        let encoder = self.encoder.iter().map(|encoder| &encoder.planned);
        decoder.chain(encoder).flat_map(Planned::kernels).cloned().collect()
    }
}

/// What the halves of a model are planned with.
pub(super) struct Planning<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) graph: &'a Graph,
    pub(super) weights: &'a GpuWeights,
    pub(super) caches: &'a [GpuKvLayer],
    pub(super) tables: &'a Tables,
    pub(super) variants: Variants,
}

impl Planning<'_> {
    fn bindings<'a>(
        &'a self,
        step: &'a Rc<GpuBuffer>,
        sampling: Option<&'a Sampling>,
        states: &'a [GpuState],
    ) -> Bindings<'a> {
        let Self { weights, caches, tables, variants, .. } = *self;
        let (rope_tables, bias_tables) = (&tables.rope.buffers, &tables.bias_buffers);
        Bindings { weights, caches, states, rope_tables, bias_tables, step, sampling, variants }
    }

    /// Room for the layers' states, and for a copy of each.
    async fn states(&self) -> Result<Vec<[Rc<GpuBuffer>; 2]>> {
        let Self { gpu, graph, .. } = *self;
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
        gpu.guarded("making room for the layers' states", needed, make_states).await
    }

    async fn decoder(&self) -> Result<PlannedDecoder> {
        let Self { gpu, graph, variants, .. } = *self;
        let states = self.states().await?;
        let bound = |(spec, [state, _]): (&StateLayer, &[Rc<GpuBuffer>; 2])| GpuState {
            buffer: Rc::clone(state),
            positions: spec.positions,
        };
        let bound: Vec<_> = graph.states.iter().zip(&states).map(bound).collect();
        let make_draw = || {
            let step = Rc::new(gpu.create_buffer("step", step::bytes(PREFILL_ROWS), Usage::Storage));
            (step, Sampling::new(gpu, graph.values[graph.logits].width))
        };
        let (step, sampling) = gpu.guarded("making room for drawing", 0, make_draw).await?;
        let [decode, prefill] = self.steps((&step, &sampling), &bound, [&Room::default(); 2]).await?;
        let makings = Makings { graph: Rc::new(graph.clone()), caches: self.caches.to_vec(), states: bound, variants };
        Ok(PlannedDecoder { decode, prefill, step, sampling, states, makings })
    }

    /// Steps of one row and of several, with values in `rooms` where there is some.
    pub(super) async fn steps(
        &self,
        (step, sampling): (&Rc<GpuBuffer>, &Sampling),
        states: &[GpuState],
        rooms: [&Room; 2],
    ) -> Result<[Planned; 2]> {
        let Self { gpu, graph, variants, .. } = *self;
        let mut several = graph.part(false);
        let mut one_row = several.clone();
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
        let bindings = self.bindings(step, Some(sampling), states);
        let lower_both = || {
            let decode = lower_in(gpu, &one_row, &bindings, decode_bucket, false, rooms[0])?;
            Ok([decode, lower_in(gpu, &several, &bindings, prefill_bucket, false, rooms[1])?])
        };
        gpu.guarded("making room for a step", needed, lower_both).await?
    }

    async fn encoder(&self, capacity: u32) -> Result<PlannedEncoder> {
        let Self { gpu, graph, .. } = *self;
        let make_step = || Rc::new(gpu.create_buffer("encoder.step", step::bytes(capacity as usize), Usage::Storage));
        let step = gpu.guarded("making room for a text's tokens", 0, make_step).await?;
        let source = graph.part(true);
        let bucket = Bucket { max_rows: capacity, max_outputs: POOLED_ROWS };
        let needed = activation_bytes(&source, bucket);
        let bindings = self.bindings(&step, None, &[]);
        let lower_source = || lower(gpu, &source, &bindings, bucket, false);
        let planned = gpu.guarded("making room for a text", needed, lower_source).await??;
        Ok(PlannedEncoder { planned, step, capacity: capacity as usize })
    }
}

impl Tables {
    fn new(gpu: &Gpu, graph: &Graph, weights: &GpuWeights, capacity: u32) -> Result<Self> {
        let rope = RopeTables::new(gpu, graph, weights, capacity)?;
        let biases = graph.bias_tables.clone();
        let buffer = |table: &BiasTable| {
            let bytes = u64::from(table.heads) * (2 * u64::from(table.max_distance) + 1) * 4;
            gpu.check_fits("a table of biases by distance", bytes)?;
            Ok(Rc::new(gpu.create_buffer("bias_table", bytes, Usage::Storage)))
        };
        let bias_buffers = biases.iter().map(buffer).collect::<Result<_>>()?;
        Ok(Self { rope, biases, bias_buffers })
    }

    /// Writes the tables once the weights have come.
    pub(super) fn write(&self, gpu: &Gpu, weights: &GpuWeights) {
        self.rope.write(gpu, weights, false);
        for (table, buffer) in self.biases.iter().zip(&self.bias_buffers) {
            let biases = table.biases(&weights.cpu_vector(table.weight));
            gpu.write(buffer, 0, bytemuck::cast_slice(&biases));
        }
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
