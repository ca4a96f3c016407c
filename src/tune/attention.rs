//! Attention: on GPUs how many splits one row's has, and how many queries a tile of many rows; the kernels for CPU adapters.

use std::rc::Rc;

use super::case::{Step, operand, random_rows};
use super::probe::{self, Found, Probe};
use super::{Kernels, Tuning, Wanted};
use crate::error::Result;
use crate::gpu::{DispatchSpec, Gpu, GpuBuffer, Usage};
use crate::ops::attention::{Around, Attention, Mask, heads_of_invocation, score_bytes};
use crate::ops::kv_write::CpuKvLayer;
use crate::ops::rope_attention::{RopeAttention, partial_bytes};
use crate::ops::{GpuKvLayer, KvFormat, Lowering, Operand, Rows};

/// exp of a score is off by up to 3 + 2 |score| units in the last place (WGSL § 15.7.4), some 2e-6 of it here; sums of such come on top.
const TOLERANCE: f32 = 5e-5;
/// Positions of the splits' case: 36 tiles, so that each number of splits cuts them otherwise. CPU adapters have but one way to cut.
const SPLIT_POSITIONS: u32 = 2250;
const SPLIT_POSITIONS_OF_CPU: u32 = 300;
/// Rows of the tiles' case that is checked, and of the one that is timed, and the positions that their last ones look at.
const CHECK_ROWS: (u32, u32) = (40, 140);
const TIMED_ROWS: (u32, u32) = (64, 512);
/// Ops of one timing, of one row and of many.
const TIMED_SPLITS: usize = 8;
const TIMED_TILES: usize = 4;

/// Grouped queries, and heads as most models have them; for CPU adapters in groups for which there is the model's own kernel.
fn attention(tuning: &Tuning, wanted: &Wanted<'_>) -> Attention {
    let group = if is_for_cpu(tuning) { heads_of_invocation(wanted.group.max(1)) } else { 4 };
    Attention {
        layer: 0,
        heads: 2 * group,
        kv_heads: 2,
        head_dim: 64,
        scale: 0.125,
        mask: Mask::Causal,
        soft_cap: 0.0,
        alibi: 0.0,
        alibi_bf16: false,
        bias: None,
        sinks: None,
    }
}

fn is_for_cpu(tuning: &Tuning) -> bool {
    tuning.kernels == Kernels::Rows
}

/// A cache that is full, on both sides.
fn caches(gpu: &Gpu, op: &Attention, capacity: u32) -> (CpuKvLayer, GpuKvLayer) {
    let width = op.kv_heads * capacity * op.head_dim;
    let values = |seed| random_rows(1, width, seed).data;
    let cpu = CpuKvLayer { k: values(1), v: values(2), capacity: capacity as usize, format: KvFormat::F32 };
    let upload = |values: &[f32]| {
        let buffer = gpu.create_buffer("tune.cache", u64::from(width) * 4, Usage::Storage);
        gpu.write(&buffer, 0, bytemuck::cast_slice(values));
        Rc::new(buffer)
    };
    let gpu = GpuKvLayer { k: upload(&cpu.k), v: upload(&cpu.v), capacity };
    (cpu, gpu)
}

/// One row's attention at the last position.
struct Split {
    op: RopeAttention,
    cpu: CpuKvLayer,
    gpu: GpuKvLayer,
    qkv: [Rows; 3],
    step: Step,
    nothing: Rc<GpuBuffer>,
}

impl Split {
    fn new(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Self {
        let attention = attention(tuning, wanted);
        let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
        let positions = if is_for_cpu(tuning) { SPLIT_POSITIONS_OF_CPU } else { SPLIT_POSITIONS };
        let (cpu, layer) = caches(gpu, &attention, positions);
        let (heads, kv_heads, dim) = (attention.heads, attention.kv_heads, attention.head_dim);
        let qkv = [(heads, 3), (kv_heads, 4), (kv_heads, 5)].map(|(heads, seed)| random_rows(1, heads * dim, seed));
        let step = Step::new(gpu, 1, positions - 1);
        let op = RopeAttention { attention, rotary_dim: 0, table: 0 };
        Self { op, cpu, gpu: layer, qkv, step, nothing }
    }

    fn lower(&self, gpu: &Gpu, tuning: &Tuning) -> (Vec<DispatchSpec>, Operand) {
        let Attention { heads, head_dim, .. } = self.op.attention;
        let variants = tuning.variants(KvFormat::F32);
        let room = partial_bytes(is_for_cpu(tuning), heads, head_dim, self.gpu.capacity);
        let room = Rc::new(gpu.create_buffer("tune.partials", room, Usage::Storage));
        let ctx = Lowering { partials: &room, ..self.step.lowering(variants, &self.nothing) };
        let [q, k, v] = self.qkv.each_ref().map(|rows| operand(gpu, rows));
        let y = operand(gpu, &Rows::zeros(1, (heads * head_dim) as usize));
        (self.op.lower(&ctx, "tune", &self.gpu, (None, None), [&q, &k, &v], &y), y)
    }
}

/// Whether so many splits are right.
pub(super) async fn check_splits(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<Found> {
    let split = Split::new(gpu, tuning, wanted);
    let (specs, y) = split.lower(gpu, tuning);
    let [q, k, v] = split.qkv.each_ref();
    let exact = split.op.reference(&mut split.cpu.clone(), [q, k, v], (None, None), &split.step.rows);
    let (shape, wanted) = (split.step.shape, exact.clone());
    Probe { specs, shape, y, exact, wanted, tolerance: TOLERANCE }.run(gpu).await
}

/// Microseconds of one row's attention.
pub(super) async fn time_splits(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<f64> {
    let split = Split::new(gpu, tuning, wanted);
    let specs = (0..TIMED_SPLITS).flat_map(|_| split.lower(gpu, tuning).0).collect();
    probe::time(gpu, specs, TIMED_SPLITS, &split.step.shape).await
}

/// Many rows' attention: the dispatches, and what they make.
fn lower_rows(
    gpu: &Gpu,
    tuning: &Tuning,
    (q, step): (&Rows, &Step),
    (op, cache): (&Attention, &GpuKvLayer),
) -> (Vec<DispatchSpec>, Operand) {
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let n_rows = step.shape.n_rows;
    let scores = is_for_cpu(tuning).then(|| {
        let bytes = score_bytes(n_rows, op.heads, cache.capacity);
        Rc::new(gpu.create_buffer("tune.scores", bytes, Usage::Storage))
    });
    let variants = tuning.variants(KvFormat::F32);
    let ctx = Lowering { max_rows: n_rows, scores: scores.as_ref(), ..step.lowering(variants, &nothing) };
    let (gpu_q, y) = (operand(gpu, q), operand(gpu, &Rows::zeros(q.len(), q.width)));
    (op.lower(&ctx, "tune", cache, Around::default(), (&gpu_q, &y)), y)
}

/// Whether tiles of so many queries are right.
pub(super) async fn check_queries(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<Found> {
    let (op, (n, length)) = (attention(tuning, wanted), CHECK_ROWS);
    let (cpu, cache) = caches(gpu, &op, length);
    let (q, step) = (random_rows(n, op.heads * op.head_dim, 3), Step::new(gpu, n, length - n));
    let (specs, y) = lower_rows(gpu, tuning, (&q, &step), (&op, &cache));
    let exact = op.reference(&cpu, &q, &step.rows, Around::default());
    let (shape, wanted) = (step.shape, exact.clone());
    Probe { specs, shape, y, exact, wanted, tolerance: TOLERANCE }.run(gpu).await
}

/// Microseconds of many rows' attention.
pub(super) async fn time_queries(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<f64> {
    let (op, (n, length)) = (attention(tuning, wanted), TIMED_ROWS);
    let (_, cache) = caches(gpu, &op, length);
    let (q, step) = (random_rows(n, op.heads * op.head_dim, 3), Step::new(gpu, n, length - n));
    let specs = (0..TIMED_TILES).flat_map(|_| lower_rows(gpu, tuning, (&q, &step), (&op, &cache)).0).collect();
    probe::time(gpu, specs, TIMED_TILES, &step.shape).await
}
