//! What the rows of a text come to (Reimers & Gurevych 2019, § 3): their mean, and the first of them.

use std::rc::Rc;

use super::{Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// Rows that come out: the mean, and the first.
pub const POOLED_ROWS: u32 = 2;

/// CPU reference. `x: [rows, width]` → `[2, width]`.
pub fn reference(x: &Rows) -> Rows {
    let mut y = Rows::zeros(POOLED_ROWS as usize, x.width);
    for i in 0..x.width {
        let sum: f64 = (0..x.len()).map(|row| f64::from(x.row(row)[i])).sum();
        y.row_mut(0)[i] = (sum / x.len() as f64) as f32;
        y.row_mut(1)[i] = x.row(0)[i];
    }
    y
}

/// GPU lowering.
pub fn lower(step: &Rc<GpuBuffer>, label: &str, x: &Operand, y: &Operand) -> Vec<DispatchSpec> {
    let params = Params {
        n_quads: x.width.div_ceil(4),
        x_stride: x.stride_quads(),
        x_offset: x.offset_quads(),
        y_stride: y.stride_quads(),
    };
    let buffers = vec![Rc::clone(step), Rc::clone(&x.buffer), Rc::clone(&y.buffer)];
    let groups = params.n_quads.div_ceil(32);
    let grid = Box::new(move |_: &StepShape| [groups, POOLED_ROWS, 1]);
    vec![dispatch(label, KernelSpec::new("pool"), &params, buffers, grid)]
}

params! {
    pub(super) struct Params {
        n_quads: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
    }
}
