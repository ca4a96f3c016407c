//! Rows of activations as bytes for the tiles of `shaders/matmul_int8.wgsl`: made once for all workgroups of a linear.

use std::rc::Rc;

use super::kernels::BATCH_ROWS;
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};
use crate::ops::{Lowering, Matrix, Operand, dispatch};

/// Bytes that rows of `cols` activations take: those of each sub-block, its scale and two sums.
pub fn byte_rows_bytes(max_rows: u32, cols: u32) -> u64 {
    u64::from(max_rows) * u64::from(cols.div_ceil(32)) * 48
}

/// The dispatch that makes them of x; none in steps of few rows.
pub(super) fn lower(
    ctx: &Lowering<'_>,
    label: &str,
    import: &str,
    weight: &Matrix,
    x: &Operand,
    bytes: &Rc<GpuBuffer>,
) -> DispatchSpec {
    let row_blocks = weight.format.sub_blocks(u64::from(weight.cols)) as u32;
    let params = Params { row_blocks, x_stride: x.stride_quads(), x_offset: x.offset_quads(), pad0: 0 };
    let order = if import == "nibbles_dot" { "int8/even_odd" } else { "int8/in_order" };
    let buffers = vec![Rc::clone(ctx.step), Rc::clone(&x.buffer), Rc::clone(bytes)];
    let groups = row_blocks.div_ceil(64);
    let grid = Box::new(move |s: &StepShape| [groups, if s.n_rows > BATCH_ROWS { s.n_rows } else { 0 }, 1]);
    dispatch(&format!("{label}.bytes"), KernelSpec::new("int8_rows").slot("ORDER", order), &params, buffers, grid)
}

params! {
    pub(in crate::ops) struct Params {
        row_blocks: u32,
        x_stride: u32,
        x_offset: u32,
        pad0: u32,
    }
}
