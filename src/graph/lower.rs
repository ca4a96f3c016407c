//! Picks kernels: a planned graph becomes a recording for steps of up to so many rows.

use std::rc::Rc;

use super::memory::{self, Plan};
pub use super::room::Room;
use super::weights::GpuWeights;
use super::{Graph, Value};
use crate::error::{Error, Result};
use crate::gpu::{DispatchSpec, Gpu, GpuBuffer, KernelSpec, Recording, Usage};
use crate::ops::attention::Around;
use crate::ops::linear::{LinearWeights, TILE_ROWS};
use crate::ops::sample::Sampling;
use crate::ops::{GpuKvLayer, GpuState, Lowering, MAX_WORK, Op, Operand, Variants, pool, select_rows};

/// How many rows a lowered graph takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Rows of a step at most.
    pub max_rows: u32,
    /// Rows of logits at most.
    pub max_outputs: u32,
}

/// A graph bound to buffers whose kernels are not compiled yet.
pub struct Planned {
    room: Room,
    label: String,
    specs: Vec<DispatchSpec>,
    logits: Operand,
    values: Vec<(String, Operand)>,
    activation_bytes: u64,
}

impl Planned {
    /// The kernels that it needs.
    pub fn kernels(&self) -> impl Iterator<Item = &KernelSpec> {
        self.specs.iter().map(|spec| &spec.kernel)
    }

    /// Makes the recording; kernels that nobody compiled yet are compiled now.
    ///
    /// # Errors
    /// `gpu`: a fault of doran.
    pub fn record(self, gpu: &Gpu) -> Result<Lowered> {
        let Self { room, label, specs, logits, values, activation_bytes } = self;
        Ok(Lowered { recording: Recording::new(gpu, &label, specs)?, room, logits, values, activation_bytes })
    }
}

/// A graph bound to buffers: ready to run steps.
pub struct Lowered {
    /// The dispatches.
    pub recording: Recording,
    /// Where its values are.
    pub room: Room,
    /// Logits `[outputs, vocab_size]`, or what an encoder gives; rows are `stride` floats apart.
    pub logits: Operand,
    /// Values by name, for those that kept their memory.
    pub values: Vec<(String, Operand)>,
    /// Bytes of activations.
    pub activation_bytes: u64,
}

/// Everything that a lowering binds and that does not depend on the bucket.
pub struct Bindings<'a> {
    /// The weights.
    pub weights: &'a GpuWeights,
    /// The caches by layer.
    pub caches: &'a [GpuKvLayer],
    /// The states by layer.
    pub states: &'a [GpuState],
    /// Rotary tables `[positions, rotary_dim / 2]` of (cos, sin).
    pub rope_tables: &'a [Rc<GpuBuffer>],
    /// Biases by distance: `[heads, 2 · max_distance + 1]`.
    pub bias_tables: &'a [Rc<GpuBuffer>],
    /// The step's rows.
    pub step: &'a Rc<GpuBuffer>,
    /// How tokens are drawn; none where nothing is.
    pub sampling: Option<&'a Sampling>,
    /// The kernels to use.
    pub variants: Variants,
}

/// Lowers `graph`. With `keep_all` every value can be read after a step.
///
/// # Errors
/// `out_of_memory` if a value is larger than a binding; `internal`: a fault of doran.
pub fn lower(gpu: &Gpu, graph: &Graph, bind: &Bindings<'_>, bucket: Bucket, keep_all: bool) -> Result<Planned> {
    lower_in(gpu, graph, bind, bucket, keep_all, &Room::default())
}

/// The same, with values where those of another graph are that was lowered for the same bucket.
///
/// # Errors
/// As [`lower`].
pub fn lower_in(
    gpu: &Gpu,
    graph: &Graph,
    bind: &Bindings<'_>,
    bucket: Bucket,
    keep_all: bool,
    shared: &Room,
) -> Result<Planned> {
    let plan = memory::plan(graph, keep_all);
    let mut activation_bytes = 0;
    let mut free = shared.values.clone();
    let buffers: Vec<Rc<GpuBuffer>> = plan
        .buffers
        .iter()
        .map(|buffer| {
            if let Some(i) = free.iter().position(|(kind, _)| kind == buffer) {
                return Ok(free.swap_remove(i).1);
            }
            let bytes = buffer_bytes(*buffer, bucket);
            gpu.check_fits("a step", bytes)?;
            activation_bytes += bytes;
            Ok(Rc::new(gpu.create_buffer("activations", bytes, Usage::Storage)))
        })
        .collect::<Result<_>>()?;
    let operand = |value: usize| operand(graph, bind.weights, &plan, &buffers, value);
    let nothing = &bind.weights.nothing;
    let (room, more_bytes) = Room::around(gpu, graph, bind, bucket, shared, &plan, &buffers)?;
    activation_bytes += more_bytes;
    let partials = room.partials.as_ref().unwrap_or(nothing);
    let (variants, step, max_rows) = (bind.variants, bind.step, bucket.max_rows);
    let ctx = Lowering {
        variants,
        step,
        nothing,
        scores: room.scores.as_ref(),
        partials,
        bytes: room.bytes.as_ref(),
        max_rows,
        max_work: MAX_WORK,
        gate: graph.gate_function(),
    };
    let outputs_ctx = Lowering { max_rows: bucket.max_outputs, ..ctx };
    let mut specs: Vec<DispatchSpec> = Vec::new();
    for node in &graph.nodes {
        let inputs = node.inputs.iter().map(|input| operand(*input)).collect::<Result<Vec<_>>>()?;
        let output = node.output.map(operand).transpose()?;
        let label = node.output.map_or("kv_write", |value| graph.values[value].name.as_str());
        let ctx = if inputs.first().is_some_and(|x| x.outputs) { &outputs_ctx } else { &ctx };
        specs.extend(lower_node(ctx, bind, &node.op, label, &inputs, output.as_ref())?);
    }
    let logits = operand(graph.logits)?;
    if let Some(sampling) = bind.sampling {
        specs.extend(sampling.lower(bind.step, &logits));
    }
    let values = (0..graph.values.len())
        .filter_map(|value| Some((graph.values[value].name.clone(), operand(value).ok()?)))
        .collect();
    Ok(Planned { room, label: format!("step[{}]", bucket.max_rows), specs, logits, values, activation_bytes })
}

/// Bytes of activations that [`lower`] makes room for, what ops need beside their values apart.
pub fn activation_bytes(graph: &Graph, bucket: Bucket) -> u64 {
    memory::plan(graph, false).buffers.iter().map(|buffer| buffer_bytes(*buffer, bucket)).sum()
}

fn buffer_bytes((stride, outputs): (u32, bool), bucket: Bucket) -> u64 {
    let rows = if outputs { bucket.max_outputs } else { bucket.max_rows };
    // Tiles may write past the last row.
    let rows = if rows == 1 { 1 } else { rows.next_multiple_of(TILE_ROWS) };
    u64::from(rows) * u64::from(stride) * 4
}

fn operand(
    graph: &Graph,
    weights: &GpuWeights,
    plan: &Plan,
    buffers: &[Rc<GpuBuffer>],
    value: usize,
) -> Result<Operand> {
    let (owner, offset) = graph.owner(value);
    let buffer = plan.buffer_of[owner]
        .ok_or_else(|| Error::internal(format!("value {} has no buffer", graph.values[value].name)))?;
    let Value { width, outputs, prepared, .. } = graph.values[value];
    let prepared = prepared.map(|weight| weights.vector(weight).map(Rc::clone)).transpose()?;
    let stride = graph.values[owner].stride();
    Ok(Operand { buffer: Rc::clone(&buffers[buffer]), stride, offset, width, outputs, prepared })
}

#[inline(never)] // It runs a thousand times in a load: see src/tokenizer/vocabulary.rs.
fn lower_node(
    ctx: &Lowering<'_>,
    bind: &Bindings<'_>,
    op: &Op,
    label: &str,
    inputs: &[Operand],
    output: Option<&Operand>,
) -> Result<Vec<DispatchSpec>> {
    let y = || output.ok_or_else(|| Error::internal(format!("{label} has no output")));
    let weights = bind.weights;
    let vector = |weight: Option<usize>| weight.map(|weight| weights.vector(weight)).transpose();
    Ok(match op {
        Op::Embedding(op) => op.lower(ctx, label, weights.matrix(op.weight)?, y()?),
        Op::RmsNorm(op) => op.lower(ctx, label, weights.vector(op.weight)?, &inputs[0], y()?),
        Op::Norm(op) => op.lower(ctx, label, vector(op.weight)?, vector(op.bias)?, (&inputs[0], y()?)),
        Op::Linear(op) => {
            let norm = vector(op.norm.as_ref().map(|norm| norm.weight))?;
            let read = LinearWeights { weight: weights.matrix(op.weight)?, bias: vector(op.bias)?, norm };
            op.lower(ctx, label, read, (&inputs[0], op.residual.then(|| &inputs[1])), y()?)
        }
        Op::Route(op) => op.lower(label, &inputs[0], y()?),
        Op::ExpertLinear(op) => {
            let read = LinearWeights { weight: weights.matrix(op.weight)?, bias: vector(op.bias)?, norm: None };
            op.lower(ctx, label, read, (&inputs[0], &inputs[1]), y()?)
        }
        Op::ExpertSum(op) => op.lower(ctx, label, (&inputs[0], &inputs[1]), inputs.get(2), y()?),
        Op::Rope(op) => op.lower(ctx, label, &bind.rope_tables[op.table], &inputs[0], y()?),
        Op::KvWrite(op) => op.lower(ctx, label, &bind.caches[op.layer], &inputs[0], &inputs[1]),
        Op::Attention(op) => {
            let biases = op.bias.map(|bias| &bind.bias_tables[bias.table]);
            let around = Around { biases, sinks: vector(op.sinks)?, ..Around::default() };
            op.lower(ctx, label, &bind.caches[op.layer], around, (&inputs[0], y()?))
        }
        Op::RopeAttention(op) => {
            let table = (op.rotary_dim > 0).then(|| &bind.rope_tables[op.table]);
            let [q, k, v] = [&inputs[0], &inputs[1], &inputs[2]];
            let sinks = vector(op.attention.sinks)?;
            op.lower(ctx, label, &bind.caches[op.attention.layer], (table, sinks), [q, k, v], y()?)
        }
        Op::ColumnScale(op) => op.lower(label, weights.vector(op.weight)?, &inputs[0], y()?),
        Op::Elementwise(op) => op.lower(label, &inputs[0], inputs.last().unwrap_or(&inputs[0]), y()?),
        Op::ShortConv(op) => {
            let read = (weights.vector(op.weight)?, vector(op.bias)?);
            op.lower(ctx, label, &bind.states[op.state], read, (&inputs[0], y()?))
        }
        Op::SelectiveScan(op) => {
            let read = (weights.vector(op.a)?, weights.vector(op.d)?);
            op.lower(ctx, label, &bind.states[op.state], [&inputs[0], &inputs[1], &inputs[2]], read, y()?)
        }
        Op::Wkv(op) => {
            let read = (weights.vector(op.decay)?, weights.vector(op.first)?);
            op.lower(ctx, label, &bind.states[op.state], [&inputs[0], &inputs[1]], read, y()?)
        }
        Op::SelectRows => select_rows::lower(ctx, label, &inputs[0], y()?),
        Op::Pool => pool::lower(ctx.step, label, &inputs[0], y()?),
    })
}
