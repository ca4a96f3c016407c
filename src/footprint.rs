//! What a model takes on a GPU, computed from its graph before anything is allocated. It restates, as sums, what
//! `graph/weights.rs`, `backend/planned.rs`, `graph/lower.rs` and `backend/gpu_model.rs` allocate; `tests/footprint.rs`
//! holds it against the bytes that the device counts after a load.

mod parts;

use self::parts::part_rows;
use crate::backend::{MAX_AHEAD, MAX_OUTPUTS, PREFILL_ROWS};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Capabilities;
use crate::graph::fuse_one_row::{fold_output_norms, fuse_one_row, prepare_norms, prepare_output_norms};
use crate::graph::lower::Bucket;
use crate::graph::room::{byte_room_bytes, takes_bytes};
use crate::graph::weights::used_weights;
use crate::graph::{CacheLayer, Graph, Kind, Node, memory};
use crate::ops::linear::TILE_ROWS;
use crate::ops::pool::POOLED_ROWS;
use crate::ops::rope_attention::partial_bytes;
use crate::ops::sample::{RESULT_BYTES, Sampling};
use crate::ops::{KvFormat, Op, Reduce, Variants, attention};

/// Parameters of one dispatch take so many bytes (WebGPU's `minUniformBufferOffsetAlignment`).
const PARAMS_BYTES: u64 = 256;
/// The most that attention scores may take; beyond it another kernel is used.
const MAX_SCORE_BYTES: u64 = 64 << 20;
/// The dispatches that draw a token.
const SAMPLING_DISPATCHES: u64 = 3;

/// What a device allows, as far as memory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Bytes that one buffer may hold and one binding show.
    pub max_bytes: u64,
    /// A software adapter, for which weights are laid out otherwise.
    pub is_fallback: bool,
}

impl Device {
    /// What a device says of itself.
    pub fn of(capabilities: &Capabilities) -> Self {
        let Capabilities { max_binding_bytes, max_buffer_bytes, is_fallback, .. } = *capabilities;
        Self { max_bytes: max_binding_bytes.min(max_buffer_bytes), is_fallback }
    }
}

impl Default for Device {
    /// What every WebGPU device allows (WebGPU § 3.6.2, `maxStorageBufferBindingSize`).
    fn default() -> Self {
        Self { max_bytes: 128 << 20, is_fallback: false }
    }
}

/// Bytes on the GPU by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Weights, as kernels read them.
    pub weights: u64,
    /// Keys and values of a whole context.
    pub kv: u64,
    /// Values between ops, attention's scores and partial sums, and states.
    pub activations: u64,
    /// Steps, rotary tables, parameters, the draw, what is read back.
    pub other: u64,
    /// The longest buffer that kernels bind, in bytes, and what it holds.
    pub largest: (u64, String),
}

impl Footprint {
    /// What a fused graph takes with room for `capacity` tokens. Numbers that nobody could allocate are sums that saturate.
    pub fn of(graph: &Graph, capacity: u32, device: Device, variants: Variants) -> Self {
        let mut of = Count { graph, capacity, device, variants, found: Self::default() };
        of.weights();
        of.caches();
        of.tables();
        let kind = graph.kind();
        if kind != Kind::Decoder {
            of.encoder(kind == Kind::Encoder);
        }
        if kind != Kind::Encoder {
            of.decoder();
        }
        of.found
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        [self.weights, self.kv, self.activations, self.other].into_iter().fold(0, u64::saturating_add)
    }

    /// What is not weights.
    pub fn beside_weights(&self) -> u64 {
        self.total() - self.weights
    }

    /// Refuses what has a piece that the device cannot bind.
    ///
    /// # Errors
    /// `out_of_memory` with `needed_bytes` and `available_bytes`, both of that piece.
    pub fn check(&self, device: Device) -> Result<()> {
        let (bytes, what) = &self.largest;
        if *bytes <= device.max_bytes {
            return Ok(());
        }
        let limit = device.max_bytes;
        let message = format!(
            "{what} takes {bytes} bytes, and this GPU allows {limit} in one piece; use a smaller model or context"
        );
        Err(Error::new(ErrorKind::OutOfMemory, message).with("needed_bytes", *bytes).with("available_bytes", limit))
    }
}

/// Bytes of keys and values that a token takes.
pub fn kv_bytes_per_token(caches: &[CacheLayer], kv: KvFormat) -> u64 {
    caches.iter().map(|layer| layer_bytes(layer, 1, kv).saturating_mul(2)).fold(0, u64::saturating_add)
}

fn layer_bytes(layer: &CacheLayer, capacity: u32, kv: KvFormat) -> u64 {
    let values = u64::from(layer.kv_heads).saturating_mul(u64::from(layer.head_dim.next_multiple_of(4)));
    values.saturating_mul(u64::from(capacity)).saturating_mul(kv.bytes())
}

/// A count under way.
struct Count<'a> {
    graph: &'a Graph,
    capacity: u32,
    device: Device,
    variants: Variants,
    found: Footprint,
}

impl Count<'_> {
    /// Bytes of a buffer that kernels bind as a whole.
    fn buffer(&mut self, what: &str, bytes: u64) -> u64 {
        let bytes = buffer_bytes(bytes);
        if bytes > self.found.largest.0 {
            self.found.largest = (bytes, what.to_owned());
        }
        bytes
    }

    fn other(&mut self, what: &str, bytes: u64) {
        self.found.other = self.found.other.saturating_add(self.buffer(what, bytes));
    }

    fn activations(&mut self, what: &str, bytes: u64) {
        self.found.activations = self.found.activations.saturating_add(self.buffer(what, bytes));
    }

    fn weights(&mut self) {
        let graph = self.graph;
        for (weight, _) in graph.weights.iter().zip(used_weights(graph)).filter(|(_, used)| *used) {
            let mut sum = 0u64;
            if weight.vector {
                sum = self.buffer(&weight.name, u64::from(weight.cols.next_multiple_of(32)) * 4);
            } else {
                let (quants, scales) = weight.format.gpu_row_bytes(u64::from(weight.cols));
                for rows in part_rows(weight, self.device) {
                    sum = sum.saturating_add(self.buffer(&weight.name, rows.saturating_mul(quants)));
                    if scales > 0 {
                        sum = sum.saturating_add(self.buffer(&weight.name, rows.saturating_mul(scales)));
                    }
                }
            }
            self.found.weights = self.found.weights.saturating_add(sum);
        }
        self.other("nothing", 256);
    }

    fn caches(&mut self) {
        let what = format!("the cache of a layer for {} tokens", self.capacity);
        for layer in &self.graph.caches {
            let bytes = self.buffer(&what, layer_bytes(layer, self.capacity, self.variants.kv));
            self.found.kv = self.found.kv.saturating_add(bytes.saturating_mul(2));
        }
    }

    fn tables(&mut self) {
        let tables = &self.graph.rope_tables;
        for (i, table) in tables.iter().enumerate() {
            if !tables.iter().any(|other| other.long.is_some_and(|(_, long)| long == i)) {
                self.other("a table of rotary angles", u64::from(self.capacity) * table.inv_freq.len() as u64 * 8);
            }
        }
        for table in &self.graph.bias_tables {
            let bytes = u64::from(table.heads) * (2 * u64::from(table.max_distance) + 1) * 4;
            self.other("a table of biases by distance", bytes);
        }
    }

    fn encoder(&mut self, is_all: bool) {
        self.other("the step of a text", 16 + 16 * u64::from(self.capacity));
        let source = self.graph.part(true);
        self.recording(&source, Bucket { max_rows: self.capacity, max_outputs: POOLED_ROWS }, 0);
        if is_all {
            self.other("what a text comes to", u64::from(POOLED_ROWS) * stride(&source, source.logits) * 4);
        }
    }

    fn decoder(&mut self) {
        for state in &self.graph.states {
            let bytes = u64::from(state.positions) * u64::from(state.width.next_multiple_of(4)) * 4;
            for _ in 0..2 {
                self.activations("the state of a layer", bytes);
            }
        }
        self.other("a step", 16 + 16 * PREFILL_ROWS as u64);
        let vocab_size = self.graph.values[self.graph.logits].width;
        let counts = u64::from(vocab_size) * 4;
        let bias_and_mask = counts + u64::from(vocab_size.div_ceil(32)) * 4;
        self.other("the draw", bias_and_mask);
        self.other("the draw", counts);
        self.other("the draw", Sampling::bytes(vocab_size) - bias_and_mask - counts);
        let max_bytes = self.device.max_bytes;
        let mut several = self.graph.part(false);
        let mut one_row = several.clone();
        fuse_one_row(&mut one_row, max_bytes);
        if self.variants.matvec == Reduce::None {
            fold_output_norms(&mut several);
        }
        if self.variants.prepares_norms() {
            prepare_norms(&mut one_row, max_bytes);
            prepare_output_norms(&mut several, max_bytes);
        }
        self.recording(&one_row, Bucket { max_rows: 1, max_outputs: 1 }, SAMPLING_DISPATCHES);
        let bucket = Bucket { max_rows: PREFILL_ROWS as u32, max_outputs: MAX_OUTPUTS as u32 };
        self.recording(&several, bucket, SAMPLING_DISPATCHES);
        for _ in 0..=MAX_AHEAD {
            self.other("a drawn token", RESULT_BYTES);
        }
        self.other("logits", MAX_OUTPUTS as u64 * stride(&several, several.logits) * 4);
    }

    /// Values of a graph that is lowered for steps of so many rows, and the parameters of its dispatches.
    fn recording(&mut self, graph: &Graph, bucket: Bucket, more_dispatches: u64) {
        for (stride, outputs) in memory::plan(graph, false).buffers {
            let rows = u64::from(if outputs { bucket.max_outputs } else { bucket.max_rows });
            let rows = if rows == 1 { 1 } else { rows.next_multiple_of(u64::from(TILE_ROWS)) };
            self.activations("a step", rows * u64::from(stride) * 4);
        }
        let on_cpu = self.variants.matvec == Reduce::None;
        let heads = |node: &Node| match &node.op {
            Op::Attention(attention) => Some(attention.heads),
            _ => None,
        };
        // Room that no kernel binds is given back.
        let heads =
            if graph.nodes.iter().any(wants_scores) { graph.nodes.iter().filter_map(heads).max() } else { None };
        let scores =
            heads.filter(|_| on_cpu).map(|heads| attention::score_bytes(bucket.max_rows, heads, self.capacity));
        let scores = scores.filter(|bytes| *bytes <= MAX_SCORE_BYTES.min(self.device.max_bytes));
        if let Some(bytes) = scores {
            self.activations("the scores of attention", bytes);
        }
        let partials = |node: &Node| match &node.op {
            Op::RopeAttention(op) => {
                Some(partial_bytes(on_cpu, op.attention.heads, op.attention.head_dim, self.capacity))
            }
            _ => None,
        };
        if let Some(bytes) = graph.nodes.iter().filter_map(partials).max() {
            self.activations("the partial sums of attention", bytes);
        }
        let bytes = byte_room_bytes(graph, self.variants, bucket);
        if let Some(bytes) = bytes {
            self.activations("the activations of a step as bytes", bytes);
        }
        let dispatches: u64 = graph
            .nodes
            .iter()
            .map(|node| self.dispatches(graph, node, bucket, (scores.is_some(), bytes.is_some())))
            .sum();
        // A dispatch binds its own parameters only.
        let params = buffer_bytes((dispatches + more_dispatches) * PARAMS_BYTES);
        self.found.other = self.found.other.saturating_add(params);
    }

    /// How many dispatches a node is lowered to. Those of matrices so large that they are cut count as one: their parameters are
    /// nothing beside the weights.
    fn dispatches(&self, graph: &Graph, node: &Node, bucket: Bucket, (has_scores, in_bytes): (bool, bool)) -> u64 {
        let parts = |weight: usize| part_rows(&self.graph.weights[weight], self.device).count() as u64;
        match &node.op {
            Op::Embedding(op) => parts(op.weight),
            Op::ExpertLinear(op) => parts(op.weight),
            // GPUs have a kernel for few rows and one for many.
            Op::Linear(op) if bucket.max_rows > 1 && self.variants.matvec != Reduce::None => {
                2 * parts(op.weight) + u64::from(in_bytes && takes_bytes(graph, node))
            }
            Op::Linear(op) => parts(op.weight),
            // Scores, softmax and values.
            Op::Attention(_) if has_scores && wants_scores(node) => 3,
            // The splits and their sum.
            Op::RopeAttention(_) => 2,
            _ => 1,
        }
    }
}

/// Whether kernels without cooperation keep the scores of this attention.
fn wants_scores(node: &Node) -> bool {
    matches!(&node.op, Op::Attention(op) if op.keeps_scores())
}

/// Buffers are a multiple of 16 bytes long.
fn buffer_bytes(bytes: u64) -> u64 {
    bytes.max(16).checked_next_multiple_of(16).unwrap_or(u64::MAX)
}

fn stride(graph: &Graph, value: usize) -> u64 {
    u64::from(graph.values[graph.owner(value).0].stride())
}
