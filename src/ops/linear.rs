//! `y[m, n] = x[m, k] · w[n, k]ᵀ (+ bias[n]) (+ residual[m, n])`: matvec for one row, matmul for several.

use std::rc::Rc;

use super::{CpuMatrix, Lowering, Matrix, Operand, Reduce, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec};

/// Workgroups in one row of the matvec grid (`shaders/matvec.wgsl`).
const GRID_WIDTH: u32 = 32_768;
/// Rows of activations in the largest tile (`shaders/matmul_rows.wgsl`); operands have room for whole tiles.
pub const TILE_ROWS: u32 = 8;

/// A linear layer. Inputs: `x`, and the residual if there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// Index of the weight in the graph: `[out_features, in_features]`.
    pub weight: usize,
    /// Index of the bias vector in the graph: `[out_features]`.
    pub bias: Option<usize>,
    /// Whether the second input is added to the product.
    pub residual: bool,
}

impl Linear {
    /// CPU reference, accumulating in f64. `x: [rows, k]`, `weight: [n, k]`, `bias: [n]`, `residual: [rows, n]` → `[rows, n]`.
    pub fn reference(&self, x: &Rows, weight: &dyn CpuMatrix, bias: Option<&[f32]>, residual: Option<&Rows>) -> Rows {
        let (n, k) = weight.shape();
        let mut y = Rows::zeros(x.len(), n);
        let mut w = vec![0.0; k];
        for j in 0..n {
            weight.row(j, &mut w);
            for i in 0..x.len() {
                // Eight running sums: the order of a sum is not part of the definition, and this one vectorises.
                let mut sums = [0.0f64; 8];
                for (a, b) in x.row(i).chunks(8).zip(w.chunks(8)) {
                    for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                        *sum += f64::from(*a) * f64::from(*b);
                    }
                }
                let mut value = sums.iter().sum::<f64>() as f32;
                if let Some(bias) = bias {
                    value += bias[j];
                }
                if let Some(residual) = residual {
                    value += residual.row(i)[j];
                }
                y.row_mut(i)[j] = value;
            }
        }
        y
    }

    /// GPU lowering: one dispatch a part of the matrix.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        weight: &Matrix,
        bias: Option<&Rc<GpuBuffer>>,
        inputs: (&Operand, Option<&Operand>),
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let (x, residual) = inputs;
        let one_row = ctx.max_rows == 1;
        let tile_rows = if ctx.variants.matvec == Reduce::None { TILE_ROWS } else { 4 };
        let lower_part = |part: &super::MatrixPart| {
            let params = Params {
                row_blocks: weight.format.sub_blocks(u64::from(weight.cols)) as u32,
                n_quads: part.rows.div_ceil(4),
                first_quad: part.first_row / 4,
                has_bias: u32::from(bias.is_some()),
                has_residual: u32::from(residual.is_some()),
                x_stride: x.stride_quads(),
                x_offset: x.offset_quads(),
                y_stride: y.stride_quads(),
                y_offset: y.offset_quads(),
                residual_stride: residual.map_or(0, Operand::stride_quads),
                residual_offset: residual.map_or(0, Operand::offset_quads),
                pad0: 0,
            };
            let buffers = vec![
                Rc::clone(&part.quants),
                Rc::clone(&part.scales),
                Rc::clone(&x.buffer),
                Rc::clone(bias.unwrap_or(ctx.nothing)),
                Rc::clone(residual.map_or(ctx.nothing, |r| &r.buffer)),
                Rc::clone(&y.buffer),
            ];
            let part_bytes = weight.part_bytes(part);
            let on_cpu = ctx.variants.matvec == Reduce::None;
            let act = if ctx.variants.broadcast { "act/broadcast4" } else { "act/plain" };
            let mut spec = if one_row {
                let (kernel, workgroup) = if on_cpu {
                    (KernelSpec::new("matvec_rows").slot("ACT", act), 16)
                } else {
                    (KernelSpec::new("matvec").slot("REDUCE", ctx.variants.matvec.file()), 64)
                };
                let kernel = kernel.slot("QUANT", weight.format.shader()).constant("WORKGROUP", workgroup);
                let groups = if on_cpu { params.n_quads.div_ceil(workgroup) } else { params.n_quads };
                let grid = [groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), 1];
                dispatch(label, kernel, &params, buffers, Box::new(move |_| grid))
            } else {
                let (kernel, workgroup, quads) = if on_cpu {
                    (KernelSpec::new("matmul_rows").slot("ACT", act), 8, 2)
                } else {
                    (KernelSpec::new("matmul"), 16, 1)
                };
                let kernel = kernel.slot("QUANT", weight.format.shader()).constant("WORKGROUP", workgroup);
                let groups = params.n_quads.div_ceil(workgroup * quads);
                let rows = x.clone();
                let grid = move |s: &_| [groups, rows.rows_of(s).div_ceil(tile_rows), 1];
                dispatch(label, kernel, &params, buffers, Box::new(grid))
            };
            let rows = x.clone();
            // A tile reads the weights once.
            spec.weight_bytes = Box::new(move |s| part_bytes * u64::from(rows.rows_of(s).div_ceil(tile_rows)));
            spec
        };
        weight.parts.iter().map(lower_part).collect()
    }
}

params! {
    pub(super) struct Params {
        row_blocks: u32,
        n_quads: u32,
        first_quad: u32,
        has_bias: u32,
        has_residual: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        y_offset: u32,
        residual_stride: u32,
        residual_offset: u32,
        pad0: u32,
    }
}
