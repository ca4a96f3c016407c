//! `y[m, n] = x[m, k] · w[n, k]ᵀ (+ bias[n]) (+ residual[m, n])`: a matvec for few rows, a matmul for many.

use std::rc::Rc;

use super::{CpuMatrix, Lowering, Matrix, MatrixPart, Operand, Reduce, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// Workgroups in one row of the matvec grid (`shaders/matvec.wgsl`).
const GRID_WIDTH: u32 = 32_768;
/// Rows of activations in a tile of `shaders/matmul_rows.wgsl`, which reads and writes whole ones; operands have room.
pub const TILE_ROWS: u32 = 8;
/// Rows up to which GPUs use `shaders/matvec_batch.wgsl`.
const BATCH_ROWS: u32 = 8;

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
        let lower_part = |part: &MatrixPart, choice: &Choice| {
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
                of_outputs: u32::from(x.outputs),
            };
            let mut buffers = vec![
                Rc::clone(&part.quants),
                Rc::clone(&part.scales),
                Rc::clone(&x.buffer),
                Rc::clone(bias.unwrap_or(ctx.nothing)),
                Rc::clone(residual.map_or(ctx.nothing, |r| &r.buffer)),
                Rc::clone(&y.buffer),
            ];
            if choice.reads_step {
                buffers.push(Rc::clone(ctx.step));
            }
            let kernel = choice.kernel.clone().slot("QUANT", weight.format.shader());
            let (tiles, groups) = (choice.tiles, params.n_quads.div_ceil(choice.quads));
            let (rows, rows_again) = (x.clone(), x.clone());
            let grid = Box::new(move |s: &StepShape| tiles.grid(groups, rows.rows_of(s)));
            let mut spec = dispatch(label, kernel, &params, buffers, grid);
            // A tile reads the weights once.
            let part_bytes = weight.part_bytes(part);
            spec.weight_bytes = Box::new(move |s| part_bytes * u64::from(tiles.count(rows_again.rows_of(s))));
            spec
        };
        let choices = choices(ctx);
        weight.parts.iter().flat_map(|part| choices.iter().map(move |choice| lower_part(part, choice))).collect()
    }
}

/// A kernel, and which part of the work is a workgroup's.
struct Choice {
    kernel: KernelSpec,
    /// Quads of rows of w that a workgroup computes.
    quads: u32,
    tiles: Tiles,
    /// Whether it binds the step, to know where the rows end.
    reads_step: bool,
}

/// Rows of x by tiles.
#[derive(Clone, Copy)]
struct Tiles {
    /// Rows of a tile.
    rows: u32,
    /// Fewest and most rows of the steps that the kernel is for.
    steps: (u32, u32),
}

impl Tiles {
    /// How many `n_rows` rows take; none in a step that the kernel is not for.
    fn count(self, n_rows: u32) -> u32 {
        let (fewest, most) = self.steps;
        if (fewest..=most).contains(&n_rows) { n_rows.div_ceil(self.rows) } else { 0 }
    }

    /// Workgroups: `groups` a tile, in rows of a limited width where there is one tile at most.
    fn grid(self, groups: u32, n_rows: u32) -> [u32; 3] {
        match self.count(n_rows) {
            0 => [0; 3],
            _ if self.steps.1 <= self.rows => [groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), 1],
            count => [groups, count, 1],
        }
    }
}

/// The kernels of a recording. One that is for steps of several rows has two for GPUs, by the number of rows; in each step
/// the grid of one of them is empty.
fn choices(ctx: &Lowering<'_>) -> Vec<Choice> {
    let on_cpu = ctx.variants.matvec == Reduce::None;
    let act = if ctx.variants.broadcast { "act/broadcast4" } else { "act/plain" };
    let one = Tiles { rows: 1, steps: (1, 1) };
    let choice = |kernel, quads, tiles| Choice { kernel, quads, tiles, reads_step: false };
    match (ctx.max_rows, on_cpu) {
        (1, true) => {
            let kernel = KernelSpec::new("matvec_rows").slot("ACT", act).constant("WORKGROUP", 16);
            vec![choice(kernel, 16, one)]
        }
        (1, false) => {
            let reduce = ctx.variants.matvec.file();
            vec![choice(KernelSpec::new("matvec").slot("REDUCE", reduce).constant("WORKGROUP", 64), 1, one)]
        }
        (_, true) => {
            let kernel = KernelSpec::new("matmul_rows").slot("ACT", act).constant("WORKGROUP", 8);
            vec![choice(kernel, 16, Tiles { rows: TILE_ROWS, steps: (1, u32::MAX) })]
        }
        (_, false) => {
            let batch = Tiles { rows: BATCH_ROWS, steps: (1, BATCH_ROWS) };
            let tile = Tiles { rows: 32, steps: (BATCH_ROWS + 1, u32::MAX) };
            vec![
                Choice { reads_step: true, ..choice(KernelSpec::new("matvec_batch"), 4, batch) },
                Choice { reads_step: true, ..choice(KernelSpec::new("matmul_tile"), 16, tile) },
            ]
        }
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
        of_outputs: u32,
    }
}
