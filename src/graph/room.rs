//! The memory of a step: values, and what ops need beside them.

use std::rc::Rc;

use super::lower::{Bindings, Bucket};
use super::memory::Plan;
use super::{Graph, Node};
use crate::error::Result;
use crate::gpu::{Gpu, GpuBuffer, Usage};
use crate::ops::attention::{self, Attention};
use crate::ops::linear::byte_rows_bytes;
use crate::ops::rope_attention::{self, RopeAttention};
use crate::ops::{Op, Reduce, Tile, Variants};

/// The most that attention scores may take; beyond it the kernel that needs none is used.
const MAX_SCORE_BYTES: u64 = 64 << 20;

/// The memory of a lowered graph's values. Recordings of which only one runs at a time may share it.
#[derive(Clone, Default)]
pub struct Room {
    /// By floats in a row, and whether rows are outputs.
    pub(super) values: Vec<((u32, bool), Rc<GpuBuffer>)>,
    pub(super) scores: Option<Rc<GpuBuffer>>,
    pub(super) partials: Option<Rc<GpuBuffer>>,
    pub(super) bytes: Option<Rc<GpuBuffer>>,
}

impl Room {
    /// The values' buffers, with what ops need beside them: that of `shared`, or made now. Gives the bytes of what was made.
    ///
    /// # Errors
    /// `out_of_memory` if a piece is larger than a binding.
    pub(super) fn around(
        gpu: &Gpu,
        graph: &Graph,
        bind: &Bindings<'_>,
        bucket: Bucket,
        shared: &Self,
        plan: &Plan,
        buffers: &[Rc<GpuBuffer>],
    ) -> Result<(Self, u64)> {
        // Adapters change no attention, and no width that a matrix reads.
        let scores = shared.scores.clone().or_else(|| score_room(gpu, graph, bind, bucket.max_rows));
        let partials = match &shared.partials {
            Some(partials) => Some(Rc::clone(partials)),
            None => partial_room(gpu, graph, bind)?,
        };
        let bytes = match &shared.bytes {
            Some(bytes) => Some(Rc::clone(bytes)),
            None => byte_room(gpu, graph, bind.variants, bucket)?,
        };
        let both = [(&scores, &shared.scores), (&partials, &shared.partials), (&bytes, &shared.bytes)];
        let made = both.into_iter().filter(|(_, shared)| shared.is_none()).filter_map(|(own, _)| own.as_ref());
        let made = made.map(|buffer| buffer.bytes()).sum();
        let values = plan.buffers.iter().copied().zip(buffers.iter().cloned()).collect();
        Ok((Self { values, scores, partials, bytes }, made))
    }
}

/// Room for attention scores, where the kernels that want it are used and it is not too much.
fn score_room(gpu: &Gpu, graph: &Graph, bind: &Bindings<'_>, max_rows: u32) -> Option<Rc<GpuBuffer>> {
    if bind.variants.matvec != Reduce::None {
        return None;
    }
    let capacity = bind.caches.iter().map(|cache| cache.capacity).max()?;
    let attentions = || graph.nodes.iter().filter_map(|node| attention_of(node));
    if !attentions().any(Attention::keeps_scores) {
        return None;
    }
    let heads = attentions().map(|attention| attention.heads).max()?;
    let bytes = attention::score_bytes(max_rows, heads, capacity);
    let fits = bytes <= MAX_SCORE_BYTES.min(gpu.capabilities().max_binding_bytes);
    fits.then(|| Rc::new(gpu.create_buffer("attention.scores", bytes, Usage::Storage)))
}

fn attention_of(node: &Node) -> Option<&Attention> {
    match &node.op {
        Op::Attention(attention) => Some(attention),
        _ => None,
    }
}

/// Room for the partial sums of split attention, where the graph has it.
fn partial_room(gpu: &Gpu, graph: &Graph, bind: &Bindings<'_>) -> Result<Option<Rc<GpuBuffer>>> {
    let on_cpu = bind.variants.matvec == Reduce::None;
    let bytes = |node: &Node| match &node.op {
        Op::RopeAttention(RopeAttention { attention, .. }) => {
            let capacity = bind.caches[attention.layer].capacity;
            Some(rope_attention::partial_bytes(on_cpu, attention.heads, attention.head_dim, capacity))
        }
        _ => None,
    };
    let Some(bytes) = graph.nodes.iter().filter_map(bytes).max() else { return Ok(None) };
    gpu.check_fits("the partial sums of attention", bytes)?;
    Ok(Some(Rc::new(gpu.create_buffer("attention.partials", bytes, Usage::Storage))))
}

/// Bytes of the widest rows that linears of several rows take as bytes; none where none does.
pub fn byte_room_bytes(graph: &Graph, variants: Variants, bucket: Bucket) -> Option<u64> {
    if variants.matmul != Tile::Int8 || variants.matvec == Reduce::None || bucket.max_rows == 1 {
        return None;
    }
    let cols = |node: &Node| match &node.op {
        Op::Linear(op) if takes_bytes(graph, node) => Some(graph.weights[op.weight].cols),
        _ => None,
    };
    Some(byte_rows_bytes(bucket.max_rows, graph.nodes.iter().filter_map(cols).max()?))
}

/// Whether a linear of several rows takes them as bytes where that is wanted: logits are exact.
pub fn takes_bytes(graph: &Graph, node: &Node) -> bool {
    match &node.op {
        Op::Linear(op) => {
            graph.weights[op.weight].format.integer_dot().is_some() && !graph.values[node.inputs[0]].outputs
        }
        _ => false,
    }
}

fn byte_room(gpu: &Gpu, graph: &Graph, variants: Variants, bucket: Bucket) -> Result<Option<Rc<GpuBuffer>>> {
    let Some(bytes) = byte_room_bytes(graph, variants, bucket) else { return Ok(None) };
    gpu.check_fits("the activations of a step as bytes", bytes)?;
    Ok(Some(Rc::new(gpu.create_buffer("activations.bytes", bytes, Usage::Storage))))
}
