//! The last rows of a step: the ones whose logits are wanted.

use std::rc::Rc;

use super::{Lowering, Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec, StepShape};

/// CPU reference. `x: [rows, width]` → `[n_outputs, width]`.
pub fn reference(x: &Rows, n_outputs: usize) -> Rows {
    Rows { data: x.data[(x.len() - n_outputs) * x.width..].to_vec(), width: x.width }
}

/// GPU lowering.
pub fn lower(ctx: &Lowering<'_>, label: &str, x: &Operand, y: &Operand) -> Vec<DispatchSpec> {
    let params = Params {
        n_quads: x.width.div_ceil(4),
        x_stride: x.stride_quads(),
        x_offset: x.offset_quads(),
        y_stride: y.stride_quads(),
        prepared_width: y.prepared_width(),
        pad0: 0,
        pad1: 0,
        pad2: 0,
    };
    let norm_weight = y.prepared.as_ref().unwrap_or(ctx.nothing);
    let buffers = [ctx.step, &x.buffer, &y.buffer, norm_weight].into_iter().map(Rc::clone).collect();
    let groups = params.n_quads.div_ceil(8 * 32);
    let grid = Box::new(move |s: &StepShape| [groups, s.n_outputs, 1]);
    vec![dispatch(label, KernelSpec::new("select_rows"), &params, buffers, grid)]
}

params! {
    pub(super) struct Params {
        n_quads: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        prepared_width: u32,
        pad0: u32,
        pad1: u32,
        pad2: u32,
    }
}
