//! Keys and values of a step's rows into the cache.

use std::rc::Rc;

use super::{GpuKvLayer, KvFormat, Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec, StepShape};

/// Writes `k` and `v` at (slot, position). Inputs: `k`, `v`; no output.
#[derive(Clone, Debug, PartialEq)]
pub struct KvWrite {
    /// Which layer's cache.
    pub layer: usize,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
}

/// One layer's cache on the CPU: `[slot, kv_heads, capacity, head_dim]` for keys and for values.
#[derive(Clone, Debug)]
pub struct CpuKvLayer {
    /// Keys.
    pub k: Vec<f32>,
    /// Values.
    pub v: Vec<f32>,
    /// Positions.
    pub capacity: usize,
    /// How values are rounded.
    pub format: KvFormat,
}

impl KvWrite {
    /// CPU reference. `k, v: [rows, kv_heads · head_dim]`.
    pub fn reference(&self, cache: &mut CpuKvLayer, k: &Rows, v: &Rows, rows: &[StepRow]) {
        let (heads, dim) = (self.kv_heads as usize, self.head_dim as usize);
        for (i, row) in rows.iter().enumerate() {
            for head in 0..heads {
                let to = ((row.slot as usize * heads + head) * cache.capacity + row.position as usize) * dim;
                for d in 0..dim {
                    cache.k[to + d] = cache.format.round(k.row(i)[head * dim + d]);
                    cache.v[to + d] = cache.format.round(v.row(i)[head * dim + d]);
                }
            }
        }
    }

    /// GPU lowering.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        cache: &GpuKvLayer,
        k: &Operand,
        v: &Operand,
    ) -> Vec<DispatchSpec> {
        let head_quads = self.head_dim.div_ceil(4);
        let params = Params {
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            head_quads,
            capacity: cache.capacity,
            k_stride: k.stride,
            k_offset: k.offset,
            v_stride: v.stride,
            v_offset: v.offset,
        };
        let kernel = KernelSpec::new("kv_write").slot("KV", ctx.variants.kv.file());
        let buffers = vec![
            Rc::clone(ctx.step),
            Rc::clone(&k.buffer),
            Rc::clone(&v.buffer),
            Rc::clone(&cache.k),
            Rc::clone(&cache.v),
        ];
        let groups = (self.kv_heads * head_quads).div_ceil(16);
        let grid = Box::new(move |s: &StepShape| [groups, s.n_rows, 1]);
        vec![dispatch(label, kernel, &params, buffers, grid)]
    }
}

params! {
    pub(super) struct Params {
        kv_heads: u32,
        head_dim: u32,
        head_quads: u32,
        capacity: u32,
        k_stride: u32,
        k_offset: u32,
        v_stride: u32,
        v_offset: u32,
    }
}
