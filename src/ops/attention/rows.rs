//! Attention on CPU adapters: three kernels without barriers.

use std::rc::Rc;

use super::Attention;
use super::pieces::Pieces;
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};
use crate::ops::{GpuKvLayer, Lowering, Operand, dispatch};

impl Attention {
    /// The three kernels without cooperation, for CPU adapters: scores, softmax, values. They want whole vec4s a head.
    pub(super) fn lower_rows(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        cache: &GpuKvLayer,
        sinks: Option<&Rc<GpuBuffer>>,
        scores: &Rc<GpuBuffer>,
        (q, y): (&Operand, &Operand),
    ) -> Vec<DispatchSpec> {
        let head_quads = self.head_dim / 4;
        let params = RowsParams {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_quads,
            capacity: cache.capacity,
            window: self.window(),
            q_stride: q.stride_quads(),
            q_offset: q.offset_quads(),
            y_stride: y.stride_quads(),
            score_quads: score_quads(cache.capacity),
            scale: self.scale,
            first_row: 0,
            has_sinks: u32::from(sinks.is_some()),
        };
        let kv = ctx.variants.kv;
        let group = self.heads / self.kv_heads;
        let per_invocation = heads_of_invocation(group);
        let slot = format!("heads/{per_invocation}");
        let (heads, groups) = (self.heads, self.kv_heads * group.div_ceil(per_invocation));
        let macs = u64::from(heads) * u64::from(self.head_dim);
        let pieces = Pieces::new(ctx, macs, pairs(ctx.max_rows), cache);
        let (window, reach) = (self.window(), self.reach_of_steps());
        let position_bytes = u64::from(head_quads) * 4 * kv.bytes() * u64::from(groups);
        // Keys once a head group and pair of rows by the first kernel, values likewise by the last. `columns`: by the reach of the step.
        let cut = |kernel: &'static str, label: &str, buffers: [&Rc<GpuBuffer>; 3], columns: fn(u32, u32) -> u32| {
            let lower_piece = |piece: u32| {
                let params = RowsParams { first_row: 2 * piece * pieces.length, ..params };
                let kernel = KernelSpec::new(kernel).slot("KV", kv.file()).slot("HEADS", slot.clone());
                let buffers = std::iter::once(ctx.step).chain(buffers).map(Rc::clone).collect();
                let n_pairs = move |s: &StepShape| pieces.count(piece, pairs(s.n_rows), s.n_rows, reach(s));
                let grid = Box::new(move |s: &StepShape| [columns(reach(s), head_quads), n_pairs(s), groups]);
                let mut spec = dispatch(label, kernel, &params, buffers, grid);
                spec.kv_bytes =
                    Box::new(move |s| u64::from(n_pairs(s)) * u64::from(Self::length(window, s)) * position_bytes);
                spec.work = Box::new(move |s| pieces.work(n_pairs(s), pairs(s.n_rows), s.n_rows, reach(s)));
                spec
            };
            (0..pieces.n).map(lower_piece).collect::<Vec<_>>()
        };
        let scored = [&q.buffer, &cache.k, scores];
        let mut specs = cut("attention_scores", &format!("{label}.scores"), scored, |reach, _| reach.div_ceil(32));
        specs.push(dispatch(
            &format!("{label}.softmax"),
            KernelSpec::new("attention_softmax"),
            &params,
            vec![Rc::clone(ctx.step), Rc::clone(sinks.unwrap_or(ctx.nothing)), Rc::clone(scores)],
            Box::new(move |s: &StepShape| [heads.div_ceil(4), s.n_rows, 1]),
        ));
        let weighted = [scores, &cache.v, &y.buffer];
        specs.extend(cut("attention_values", label, weighted, |_, head_quads| head_quads.div_ceil(4)));
        specs
    }
}

/// Pairs of rows (`shaders/lib/row_pairs.wgsl`).
fn pairs(n_rows: u32) -> u32 {
    n_rows.div_ceil(2)
}

/// Query heads that an invocation of the kernels for CPU adapters serves, of `group` that share a KV head: up to four, and as
/// many in each as in the others where that can be.
pub fn heads_of_invocation(group: u32) -> u32 {
    group.div_ceil(group.div_ceil(4))
}

/// vec4s of the scores of one (row, head): one a position quad, and one for 1 / sum.
fn score_quads(capacity: u32) -> u32 {
    capacity.div_ceil(4) + 1
}

/// Bytes of scores for steps of up to `max_rows` rows.
pub fn score_bytes(max_rows: u32, heads: u32, capacity: u32) -> u64 {
    u64::from(max_rows) * u64::from(heads) * u64::from(score_quads(capacity)) * 16
}

params! {
    pub(in crate::ops) struct RowsParams {
        heads: u32,
        kv_heads: u32,
        head_quads: u32,
        capacity: u32,
        window: u32,
        q_stride: u32,
        q_offset: u32,
        y_stride: u32,
        score_quads: u32,
        scale: f32,
        first_row: u32,
        has_sinks: u32,
    }
}
