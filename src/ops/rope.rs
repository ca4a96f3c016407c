//! Rotary position embedding (Su et al. 2021, eq. 34) in Hugging Face's order: value `i` of a head pairs with value
//! `i + rotary_dim / 2`.

use std::rc::Rc;

use super::{Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// Rotates the first `rotary_dim` values of each head by the row's position.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Heads in a row.
    pub n_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
    /// Values that rotate; even.
    pub rotary_dim: u32,
    /// Index of the frequency table in the graph.
    pub table: usize,
}

impl Rope {
    /// CPU reference. `x: [rows, n_heads · head_dim]`, `table: [positions, rotary_dim / 2]` of (cos, sin).
    pub fn reference(&self, x: &Rows, table: &[[f32; 2]], rows: &[StepRow]) -> Rows {
        let half = (self.rotary_dim / 2) as usize;
        let head_dim = self.head_dim as usize;
        let mut y = x.clone();
        for (i, row) in rows.iter().enumerate() {
            let angles = &table[row.position as usize * half..][..half];
            for head in y.row_mut(i).chunks_exact_mut(head_dim) {
                for (j, [cos, sin]) in angles.iter().enumerate() {
                    let (low, high) = (head[j], head[j + half]);
                    head[j] = low * cos - high * sin;
                    head[j + half] = high * cos + low * sin;
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
        table: &Rc<GpuBuffer>,
        x: &Operand,
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let params = Params {
            n_heads: self.n_heads,
            head_dim: self.head_dim,
            half: self.rotary_dim / 2,
            x_stride: x.stride,
            x_offset: x.offset,
            y_stride: y.stride,
            pad: [0; 2],
        };
        let buffers = vec![Rc::clone(ctx.step), Rc::clone(table), Rc::clone(&x.buffer), Rc::clone(&y.buffer)];
        let groups = (self.n_heads * (self.head_dim - params.half)).div_ceil(32);
        let grid = Box::new(move |s: &StepShape| [groups, s.n_rows, 1]);
        vec![dispatch(label, KernelSpec::new("rope"), &params, buffers, grid)]
    }
}

params! {
    pub(super) struct Params {
        n_heads: u32,
        head_dim: u32,
        half: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        pad: [u32; 2],
    }
}
