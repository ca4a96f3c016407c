//! `y[m, n] = x[m, k] · w[n, k]ᵀ (+ bias[n]) (+ residual[m, n])`: a matvec for few rows, a matmul for many. For one row a norm
//! before it and the gate after it can be part of it.

pub mod activations;
mod byte_rows;
pub mod f16;
pub mod int8;
mod kernels;

use std::ops::Range;
use std::rc::Rc;

pub(super) use self::byte_rows::Params as ByteRowsParams;
pub use self::byte_rows::byte_rows_bytes;
use self::kernels::{Choice, Last, Shape};
use super::elementwise::Function;
use super::rms_norm::RmsNorm;
use super::{CpuMatrix, Lowering, Matrix, MatrixPart, Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, StepShape};

/// Workgroups in one row of the matvec grid (`shaders/matvec.wgsl`).
pub(super) const GRID_WIDTH: u32 = 32_768;
/// Rows of activations in a tile of `shaders/matmul_rows.wgsl`, which reads and writes whole ones; operands have room.
pub const TILE_ROWS: u32 = 8;

/// A linear layer. Inputs: `x`, and the residual if there is one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linear {
    /// Index of the weight in the graph: `[out_features, in_features]`.
    pub weight: usize,
    /// Index of the bias vector in the graph: `[out_features]`.
    pub bias: Option<usize>,
    /// Whether the second input is added to the product.
    pub residual: bool,
    /// A norm of `x` that comes first. Kernels do it for steps of one row only.
    pub norm: Option<RmsNorm>,
    /// What becomes of the product's two halves. Kernels do it for steps of one row and matrices of one part only.
    pub gate: Option<Gate>,
}

/// `function(product[.., i], product[.., offset + i])` for `i < width`: a gated MLP (Shazeer 2020, eq. 5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// Of the two.
    pub function: Function,
    /// Row of the weight where the second half starts; a multiple of 32.
    pub offset: u32,
    /// Values of the result.
    pub width: u32,
}

/// What a linear reads besides its inputs. `V` is a vector on the CPU or the GPU, `M` a matrix.
#[derive(Clone, Copy)]
pub struct LinearWeights<M, V> {
    /// `[n, k]`.
    pub weight: M,
    /// `[n]`.
    pub bias: Option<V>,
    /// The norm's weight: `[k]`.
    pub norm: Option<V>,
}

impl Linear {
    /// CPU reference, accumulating in f64. `x: [rows, k]`, `residual: [rows, n]` → `[rows, n]`, or the gate's width.
    pub fn reference(&self, x: &Rows, weights: LinearWeights<&dyn CpuMatrix, &[f32]>, residual: Option<&Rows>) -> Rows {
        let LinearWeights { weight, bias, norm } = weights;
        let normed = self.norm.as_ref().zip(norm).map(|(op, weight)| op.reference(x, weight));
        let x = normed.as_ref().unwrap_or(x);
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
        self.gate.map_or(y.clone(), |gate| gate.reference(&y))
    }

    /// GPU lowering: one dispatch a part of the matrix, or several where steps have so many rows that one would take long.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        weights: LinearWeights<&Matrix, &Rc<GpuBuffer>>,
        inputs: (&Operand, Option<&Operand>),
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let LinearWeights { weight, bias, norm } = weights;
        let (x, residual) = inputs;
        let row_blocks = weight.format.sub_blocks(u64::from(weight.cols)) as u32;
        // What is prepared stands behind the row.
        let prepared = self.norm.is_some() && x.prepared.is_some();
        let import = weight.format.integer_dot();
        // Logits are exact: rows of outputs are few, and nothing comes after them that would even an error out.
        let bytes = ctx.bytes.filter(|_| ctx.takes_bytes() && !x.outputs).zip(import);
        let lower_piece = |part: &MatrixPart, choice: &Choice, groups: Range<u32>| {
            let params = Params {
                row_blocks,
                n_quads: part.rows.div_ceil(4),
                first_quad: part.first_row / 4,
                gate_quads: self.gate.map_or(0, |gate| gate.offset / 4),
                has_bias: u32::from(bias.is_some()),
                has_residual: u32::from(residual.is_some()),
                x_stride: x.stride_quads(),
                x_offset: x.offset_quads() + if prepared { row_blocks * 8 } else { 0 },
                y_stride: y.stride_quads(),
                y_offset: y.offset_quads(),
                residual_stride: residual.map_or(0, Operand::stride_quads),
                residual_offset: residual.map_or(0, Operand::offset_quads),
                norm_width: if self.norm.is_some() { x.width } else { 0 },
                norm_eps: self.norm.as_ref().map_or(0.0, |norm| norm.eps),
                of_outputs: u32::from(x.outputs),
                prepared_width: y.prepared_width(),
                first_group: groups.start,
                together: weight.together,
                run: choice.run,
                lanes: choice.lanes,
            };
            let mut buffers = vec![
                Rc::clone(&part.quants),
                Rc::clone(&part.scales),
                Rc::clone(&x.buffer),
                Rc::clone(bias.unwrap_or(ctx.nothing)),
                Rc::clone(residual.map_or(ctx.nothing, |r| &r.buffer)),
                Rc::clone(&y.buffer),
            ];
            buffers.extend(match choice.last {
                Last::Nothing => None,
                Last::Norm => norm.map(Rc::clone),
                Last::PreparedNorm => Some(Rc::clone(y.prepared.as_ref().unwrap_or(ctx.nothing))),
                Last::Step | Last::StepAndBytes => Some(Rc::clone(ctx.step)),
            });
            buffers.extend(bytes.filter(|_| choice.last == Last::StepAndBytes).map(|(bytes, _)| Rc::clone(bytes)));
            let Choice { kernel, tiles, .. } = choice.clone();
            let n_groups = groups.end - groups.start;
            let rows = || x.clone();
            let (grid_rows, weight_rows, work_rows) = (rows(), rows(), rows());
            let grid = Box::new(move |s: &StepShape| tiles.grid(n_groups, grid_rows.rows_of(s)));
            let kernel = kernel.slot("QUANT", weight.format.shader());
            let kernel = match (ctx.variants.activations.dot(import), import) {
                (Some((import, file)), _) if ctx.max_rows == 1 => kernel.slot(import, file),
                (_, Some(import)) if choice.last == Last::StepAndBytes => kernel.slot(import, int8::tile(import)),
                _ => kernel,
            };
            let mut spec = dispatch(label, kernel, &params, buffers, grid);
            // Rows of w that these workgroups have; the last one may reach past the end.
            let row_at = |group: u32| u64::from(part.rows).min(u64::from(group) * u64::from(choice.group_rows));
            let part_rows = row_at(groups.end) - row_at(groups.start);
            let macs = part_rows * u64::from(weight.cols);
            spec.work = Box::new(move |s| match work_rows.rows_of(s) {
                n_rows if tiles.count(n_rows) > 0 => macs * u64::from(n_rows),
                _ => 0,
            });
            // A tile reads the weights once.
            let (quants, scales) = weight.format.gpu_row_bytes(u64::from(weight.cols));
            let part_bytes = part_rows * (quants + scales);
            spec.weight_bytes = Box::new(move |s| part_bytes * u64::from(tiles.count(weight_rows.rows_of(s))));
            spec
        };
        let rows_as_bytes = |(bytes, import)| byte_rows::lower(ctx, label, import, weight, x, bytes);
        let mut specs: Vec<_> = bytes.map(rows_as_bytes).into_iter().collect();
        for part in &weight.parts {
            let shape = Shape { n_quads: part.rows.div_ceil(4), row_blocks, run: weight.format.run() };
            for choice in self.choices(ctx, x, shape, bytes.is_some()) {
                let most_rows = u64::from(choice.tiles.steps.1.min(ctx.max_rows));
                let group_work = most_rows * u64::from(choice.group_rows) * u64::from(weight.cols);
                // A step of one row is never cut: it is short.
                let per_piece = match ctx.max_rows {
                    1 => choice.groups,
                    _ => (ctx.max_work / group_work.max(1)).clamp(1, u64::from(choice.groups)) as u32,
                };
                for first in (0..choice.groups).step_by(per_piece as usize) {
                    specs.push(lower_piece(part, &choice, first..choice.groups.min(first.saturating_add(per_piece))));
                }
            }
        }
        specs
    }
}

impl Gate {
    fn reference(&self, product: &Rows) -> Rows {
        let columns = |offset: u32| {
            let columns = offset as usize..(offset + self.width) as usize;
            let data = (0..product.len()).flat_map(|i| product.row(i)[columns.clone()].to_vec()).collect();
            Rows { data, width: self.width as usize }
        };
        self.function.reference(&columns(0), &columns(self.offset))
    }
}

params! {
    pub(super) struct Params {
        row_blocks: u32,
        n_quads: u32,
        first_quad: u32,
        gate_quads: u32,
        has_bias: u32,
        has_residual: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        y_offset: u32,
        residual_stride: u32,
        residual_offset: u32,
        norm_width: u32,
        norm_eps: f32,
        of_outputs: u32,
        prepared_width: u32,
        first_group: u32,
        together: u32,
        run: u32,
        lanes: u32,
    }
}
