//! Scaled dot-product attention over the cache (Vaswani et al. 2017, eq. 1), with grouped queries (Ainslie et al. 2023).

use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::kv_write::CpuKvLayer;
use super::{GpuKvLayer, Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::{DispatchSpec, KernelSpec, StepShape};

/// The largest head that the kernel takes (`shaders/attention.wgsl`, MAX_QUADS).
pub const MAX_HEAD_DIM: u32 = 256;

/// Which positions a row attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Its own and all before.
    Causal,
    /// Its own and the `n − 1` before.
    Window(u32),
}

/// Attention of `heads` query heads over `kv_heads` heads of the layer's cache. Input: `q`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Which layer's cache.
    pub layer: usize,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
    /// Factor on `q · k`, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// Which positions count.
    pub mask: Mask,
}

impl Attention {
    fn window(&self) -> u32 {
        match self.mask {
            Mask::Causal => 0,
            Mask::Window(n) => n,
        }
    }

    /// CPU reference: softmax over all positions at once, in f64. `q: [rows, heads · head_dim]` → the same shape.
    pub fn reference(&self, cache: &CpuKvLayer, q: &Rows, rows: &[StepRow]) -> Rows {
        let (heads, kv_heads, dim) = (self.heads as usize, self.kv_heads as usize, self.head_dim as usize);
        let mut y = Rows::zeros(q.len(), q.width);
        for (i, row) in rows.iter().enumerate() {
            let end = row.position as usize + 1;
            let begin = if self.window() == 0 { 0 } else { end.saturating_sub(self.window() as usize) };
            for head in 0..heads {
                let kv_head = head / (heads / kv_heads);
                let base = (row.slot as usize * kv_heads + kv_head) * cache.capacity * dim;
                let query = &q.row(i)[head * dim..(head + 1) * dim];
                let score = |position: usize| {
                    let key = &cache.k[base + position * dim..][..dim];
                    let product: f64 = query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    product * f64::from(self.scale)
                };
                let scores: Vec<f64> = (begin..end).map(score).collect();
                let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - maximum).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for d in 0..dim {
                    let value = |(p, w): (usize, &f64)| w * f64::from(cache.v[base + (begin + p) * dim + d]);
                    y.row_mut(i)[head * dim + d] = (weights.iter().enumerate().map(value).sum::<f64>() / sum) as f32;
                }
            }
        }
        y
    }

    /// GPU lowering.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        cache: &GpuKvLayer,
        q: &Operand,
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let head_quads = self.head_dim.div_ceil(4);
        let params = Params {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            head_quads,
            capacity: cache.capacity,
            window: self.window(),
            q_stride: q.stride,
            q_offset: q.offset,
            y_stride: y.stride,
            scale: self.scale,
            pad: [0; 2],
        };
        let kernel = KernelSpec::new("attention").slot("KV", ctx.variants.kv.file()).constant("WORKGROUP", 64);
        let buffers = vec![
            Rc::clone(ctx.step),
            Rc::clone(&q.buffer),
            Rc::clone(&cache.k),
            Rc::clone(&cache.v),
            Rc::clone(&y.buffer),
        ];
        let heads = self.heads;
        let grid = Box::new(move |s: &StepShape| [heads, s.n_rows, 1]);
        let mut spec = dispatch(label, kernel, &params, buffers, grid);
        let position_bytes = 2 * u64::from(head_quads) * 4 * ctx.variants.kv.bytes();
        let window = u64::from(self.window());
        spec.kv_bytes = Box::new(move |s| {
            let length = if window == 0 { u64::from(s.kv_length) } else { u64::from(s.kv_length).min(window) };
            // Each query head reads its own copy of the keys and values.
            u64::from(heads) * u64::from(s.n_rows) * length * position_bytes
        });
        vec![spec]
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    head_quads: u32,
    capacity: u32,
    window: u32,
    q_stride: u32,
    q_offset: u32,
    y_stride: u32,
    scale: f32,
    pad: [u32; 2],
}
