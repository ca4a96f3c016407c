//! Attention of one row whose query, key and value come as the linears give them: rotary embedding, the cache write and
//! attention in one op. The positions are split (flash decoding; Dao et al. 2023), so that a long context fills the device.

use std::rc::Rc;

use super::attention::{Around, Attention, Mask, heads_of_invocation};
use super::kv_write::{CpuKvLayer, KvWrite};
use super::rope::Rope;
use super::{GpuKvLayer, Lowering, Operand, Reduce, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// Splits of a GPU at most; each is a workgroup for each KV head.
pub const MAX_SPLITS: u32 = 32;
/// Positions of a tile in `shaders/rope_attention.wgsl`.
const TILE: u32 = 64;
/// Positions of a split in `shaders/rope_attention_rows.wgsl`.
const ROWS_TILE: u32 = 16;

/// Inputs: `q`, `k`, `v` of one row. Output: as [`Attention`].
#[derive(Clone, Debug, PartialEq)]
pub struct RopeAttention {
    /// The attention.
    pub attention: Attention,
    /// Rotary dimensions; 0 for none.
    pub rotary_dim: u32,
    /// Index of the frequency table in the graph; of no meaning without rotary dimensions.
    pub table: usize,
}

impl RopeAttention {
    /// Whether the kernels take this attention: whole vec4s rotate with whole vec4s, and scores are plain.
    pub fn takes(attention: &Attention, rotary_dim: u32) -> bool {
        let quads = attention.head_dim.is_multiple_of(4) && rotary_dim.is_multiple_of(8);
        quads && attention.scores_are_plain() && attention.mask != Mask::All
    }

    /// CPU reference: the three ops one after the other. `q: [rows, heads · head_dim]`, `k, v: [rows, kv_heads · head_dim]`,
    /// `table: [positions, rotary_dim / 2]` of (cos, sin), `sinks: [heads]` → the shape of `q`.
    pub fn reference(
        &self,
        cache: &mut CpuKvLayer,
        qkv: [&Rows; 3],
        (table, sinks): (Option<&[[f32; 2]]>, Option<&[f32]>),
        rows: &[StepRow],
    ) -> Rows {
        let Attention { layer, heads, kv_heads, head_dim, .. } = self.attention;
        let rotate = |x: &Rows, n_heads: u32| {
            let rope = Rope { n_heads, head_dim, rotary_dim: self.rotary_dim, table: self.table };
            table.map_or(x.clone(), |table| rope.reference(x, table, rows))
        };
        let [q, k, v] = qkv;
        KvWrite { layer, kv_heads, head_dim }.reference(cache, &rotate(k, kv_heads), v, rows);
        self.attention.reference(cache, &rotate(q, heads), rows, Around { sinks, ..Around::default() })
    }

    /// GPU lowering, for steps of one row: the splits, and their sum. `room` holds [`partial_bytes`].
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        cache: &GpuKvLayer,
        (table, sinks): (Option<&Rc<GpuBuffer>>, Option<&Rc<GpuBuffer>>),
        qkv: [&Operand; 3],
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let Attention { heads, kv_heads, head_dim, scale, .. } = self.attention;
        let window = self.attention.window();
        let on_cpu = ctx.variants.matvec == Reduce::None;
        let (tile, max_splits) = splits(on_cpu, ctx.variants.splits, cache.capacity);
        let head_quads = head_dim / 4;
        let [q, k, v] = qkv;
        let params = SplitParams {
            heads,
            kv_heads,
            head_quads,
            half_quads: table.map_or(0, |_| self.rotary_dim / 8),
            capacity: cache.capacity,
            window,
            tile,
            max_splits,
            q_offset: q.offset_quads(),
            k_offset: k.offset_quads(),
            v_offset: v.offset_quads(),
            scale,
        };
        let group = heads / kv_heads;
        let (kernel, groups) = if on_cpu {
            let per_invocation = heads_of_invocation(group);
            let kernel = KernelSpec::new("rope_attention_rows").slot("HEADS", format!("heads/{per_invocation}"));
            (kernel, kv_heads * group.div_ceil(per_invocation))
        } else {
            let per_workgroup = heads_of_workgroup(group, head_dim);
            let kernel = KernelSpec::new("rope_attention").slot("HEADS", format!("heads/{per_workgroup}"));
            (kernel, kv_heads * group.div_ceil(per_workgroup))
        };
        let n_splits = move |s: &StepShape| {
            let length = if window == 0 { s.kv_length } else { s.kv_length.min(window) };
            let size = length.div_ceil(tile).div_ceil(max_splits) * tile;
            length.div_ceil(size.max(1))
        };
        let buffers = vec![
            Rc::clone(ctx.step),
            Rc::clone(table.unwrap_or(ctx.nothing)),
            Rc::clone(&q.buffer),
            Rc::clone(&k.buffer),
            Rc::clone(&v.buffer),
            Rc::clone(&cache.k),
            Rc::clone(&cache.v),
            Rc::clone(ctx.partials),
        ];
        let grid = Box::new(move |s: &StepShape| {
            let n = n_splits(s);
            [if on_cpu { n.div_ceil(4) } else { n }, groups, 1]
        });
        let kernel = kernel.slot("KV", ctx.variants.kv.file());
        let mut split = dispatch(&format!("{label}.splits"), kernel, &params, buffers, grid);
        let position_bytes = 2 * u64::from(head_quads) * 4 * ctx.variants.kv.bytes() * u64::from(groups);
        split.kv_bytes = Box::new(move |s| {
            u64::from(if window == 0 { s.kv_length } else { s.kv_length.min(window) }) * position_bytes
        });
        let params = CombineParams {
            heads,
            head_quads,
            window,
            tile,
            max_splits,
            has_sinks: u32::from(sinks.is_some()),
            pad: [0; 2],
        };
        let sinks = Rc::clone(sinks.unwrap_or(ctx.nothing));
        let buffers = vec![Rc::clone(ctx.step), Rc::clone(ctx.partials), sinks, Rc::clone(&y.buffer)];
        let groups = (heads * head_quads).div_ceil(16);
        let grid = Box::new(move |_: &StepShape| [groups, 1, 1]);
        vec![split, dispatch(label, KernelSpec::new("rope_attention_combine"), &params, buffers, grid)]
    }
}

/// Query heads of one workgroup: as many as share a KV head, up to what workgroup memory holds.
fn heads_of_workgroup(group: u32, head_dim: u32) -> u32 {
    let most = if head_dim <= 128 { 8 } else { 4 };
    group.next_power_of_two().min(most)
}

/// Positions of a tile, and splits at most: of GPUs, `most`.
fn splits(on_cpu: bool, most: u32, capacity: u32) -> (u32, u32) {
    if on_cpu { (ROWS_TILE, capacity.div_ceil(ROWS_TILE)) } else { (TILE, most.clamp(1, MAX_SPLITS)) }
}

/// Bytes of the splits' partial sums.
pub fn partial_bytes(on_cpu: bool, heads: u32, head_dim: u32, capacity: u32) -> u64 {
    let (_, max_splits) = splits(on_cpu, MAX_SPLITS, capacity);
    u64::from(heads) * u64::from(max_splits) * (u64::from(head_dim) / 4 + 1) * 16
}

params! {
    pub(super) struct SplitParams {
        heads: u32,
        kv_heads: u32,
        head_quads: u32,
        half_quads: u32,
        capacity: u32,
        window: u32,
        tile: u32,
        max_splits: u32,
        q_offset: u32,
        k_offset: u32,
        v_offset: u32,
        scale: f32,
    }
}

params! {
    pub(super) struct CombineParams {
        heads: u32,
        head_quads: u32,
        window: u32,
        tile: u32,
        max_splits: u32,
        has_sinks: u32,
        pad: [u32; 2],
    }
}
