//! The last rows of a step: the ones whose logits are wanted.

use std::rc::Rc;

use super::{Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec, StepShape};

/// CPU reference. `x: [rows, width]` → `[n_outputs, width]`.
pub fn reference(x: &Rows, n_outputs: usize) -> Rows {
    Rows { data: x.data[(x.len() - n_outputs) * x.width..].to_vec(), width: x.width }
}

/// GPU lowering.
pub fn lower(step: &Rc<crate::gpu::GpuBuffer>, label: &str, x: &Operand, y: &Operand) -> Vec<DispatchSpec> {
    let params = Params {
        n_quads: x.width.div_ceil(4),
        x_stride: x.stride_quads(),
        x_offset: x.offset_quads(),
        y_stride: y.stride_quads(),
    };
    let buffers = vec![Rc::clone(step), Rc::clone(&x.buffer), Rc::clone(&y.buffer)];
    let groups = params.n_quads.div_ceil(32);
    let grid = Box::new(move |s: &StepShape| [groups, s.n_outputs, 1]);
    vec![dispatch(label, KernelSpec::new("select_rows"), &params, buffers, grid)]
}

params! {
    pub(super) struct Params {
        n_quads: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
    }
}
