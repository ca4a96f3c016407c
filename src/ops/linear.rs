//! `y[m, n] = x[m, k] · w[n, k]ᵀ (+ bias[n]) (+ residual[m, n])`: a matvec for few rows, a matmul for many. For one row a norm
//! before it and the gate after it can be part of it.

use std::rc::Rc;

use super::elementwise::Function;
use super::rms_norm::RmsNorm;
use super::{CpuMatrix, Lowering, Matrix, MatrixPart, Operand, Reduce, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// Workgroups in one row of the matvec grid (`shaders/matvec.wgsl`).
pub(super) const GRID_WIDTH: u32 = 32_768;
/// Rows of activations in a tile of `shaders/matmul_rows.wgsl`, which reads and writes whole ones; operands have room.
pub const TILE_ROWS: u32 = 8;
/// Rows up to which GPUs use `shaders/matvec_batch.wgsl`.
const BATCH_ROWS: u32 = 8;

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

    /// GPU lowering: one dispatch a part of the matrix.
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
        let lower_part = |part: &MatrixPart, choice: Choice| {
            let params = Params {
                row_blocks: weight.format.sub_blocks(u64::from(weight.cols)) as u32,
                n_quads: part.rows.div_ceil(4),
                first_quad: part.first_row / 4,
                gate_quads: self.gate.map_or(0, |gate| gate.offset / 4),
                has_bias: u32::from(bias.is_some()),
                has_residual: u32::from(residual.is_some()),
                x_stride: x.stride_quads(),
                x_offset: x.offset_quads(),
                y_stride: y.stride_quads(),
                y_offset: y.offset_quads(),
                residual_stride: residual.map_or(0, Operand::stride_quads),
                residual_offset: residual.map_or(0, Operand::offset_quads),
                norm_width: x.width,
                norm_eps: self.norm.as_ref().map_or(0.0, |norm| norm.eps),
                of_outputs: u32::from(x.outputs),
                pad0: 0,
            };
            let mut buffers = vec![
                Rc::clone(&part.quants),
                Rc::clone(&part.scales),
                Rc::clone(&x.buffer),
                Rc::clone(bias.unwrap_or(ctx.nothing)),
                Rc::clone(residual.map_or(ctx.nothing, |r| &r.buffer)),
                Rc::clone(&y.buffer),
            ];
            buffers.extend(norm.map(Rc::clone));
            if choice.reads_step {
                buffers.push(Rc::clone(ctx.step));
            }
            let Choice { kernel, groups, tiles, .. } = choice;
            let rows = || x.clone();
            let (grid_rows, weight_rows, work_rows) = (rows(), rows(), rows());
            let grid = Box::new(move |s: &StepShape| tiles.grid(groups, grid_rows.rows_of(s)));
            let mut spec = dispatch(label, kernel.slot("QUANT", weight.format.shader()), &params, buffers, grid);
            let macs = u64::from(part.rows) * u64::from(weight.cols);
            spec.work = Box::new(move |s| match work_rows.rows_of(s) {
                n_rows if tiles.count(n_rows) > 0 => macs * u64::from(n_rows),
                _ => 0,
            });
            // A tile reads the weights once.
            let part_bytes = weight.part_bytes(part);
            spec.weight_bytes = Box::new(move |s| part_bytes * u64::from(tiles.count(weight_rows.rows_of(s))));
            spec
        };
        let choices = |part: &MatrixPart| self.choices(ctx, x.outputs, part.rows.div_ceil(4));
        weight
            .parts
            .iter()
            .flat_map(|part| choices(part).into_iter().map(move |choice| lower_part(part, choice)))
            .collect()
    }

    /// The kernels for a part of `n_quads` quads of rows. A recording for several rows has some to choose from by the number of
    /// rows in a step: the grids of the others are empty.
    fn choices(&self, ctx: &Lowering<'_>, of_outputs: bool, n_quads: u32) -> Vec<Choice> {
        let choice = |kernel, quads, rows, steps| {
            let tiles = Tiles { rows, steps };
            Choice { kernel, groups: n_quads.div_ceil(quads), tiles, reads_step: false }
        };
        if ctx.max_rows == 1 {
            vec![self.matvec(ctx, n_quads)]
        } else if ctx.variants.matvec == Reduce::None {
            if of_outputs {
                // Mostly one row, by the largest matrix; and a kernel less to compile.
                let matvec = self.matvec(ctx, n_quads);
                return vec![Choice { tiles: Tiles { rows: 1, steps: (1, u32::MAX) }, ..matvec }];
            }
            let kernel = KernelSpec::new("matmul_rows").slot("ACT", ctx.variants.act()).constant("WORKGROUP", 8);
            vec![choice(kernel, 16, TILE_ROWS, (1, u32::MAX))]
        } else {
            let batch = choice(KernelSpec::new("matvec_batch"), 8, BATCH_ROWS, (1, BATCH_ROWS));
            let tile = choice(KernelSpec::new("matmul_tile"), 16, 32, (BATCH_ROWS + 1, u32::MAX));
            vec![Choice { reads_step: true, ..batch }, Choice { reads_step: true, ..tile }]
        }
    }

    /// The kernel for one row.
    fn matvec(&self, ctx: &Lowering<'_>, n_quads: u32) -> Choice {
        let on_cpu = ctx.variants.matvec == Reduce::None;
        let (shader, workgroup) = if on_cpu { ("matvec_rows", 8) } else { ("matvec", ctx.variants.matvec_workgroup) };
        let broadcast = on_cpu && ctx.variants.broadcast;
        let mut kernel = KernelSpec::new(shader).constant("WORKGROUP", workgroup);
        kernel = match (&self.norm, broadcast) {
            (Some(_), true) => kernel.slot("INPUT", "input/norm_broadcast4"),
            (Some(_), false) => kernel.slot("INPUT", "input/norm"),
            (None, _) => {
                kernel.slot("INPUT", "input/plain").slot("ACT", if on_cpu { ctx.variants.act() } else { "act/plain" })
            }
        };
        if !on_cpu {
            kernel = kernel.slot("REDUCE", ctx.variants.matvec.file());
        }
        let (kernel, pairs) = match self.gate {
            Some(gate) => {
                (kernel.slot("EPILOGUE", "epilogue/gate").slot("FUNCTION", gate.function.file()), gate.offset / 4)
            }
            None => (kernel.slot("EPILOGUE", "epilogue/rows"), n_quads.div_ceil(2)),
        };
        let groups = if on_cpu { pairs.div_ceil(workgroup) } else { pairs };
        Choice { kernel, groups, tiles: Tiles { rows: 1, steps: (1, 1) }, reads_step: false }
    }
}

/// A kernel, and how the work is cut.
struct Choice {
    kernel: KernelSpec,
    /// Workgroups over the rows of w.
    groups: u32,
    /// Workgroups over the rows of x.
    tiles: Tiles,
    /// Whether it binds the step, to know where the rows of x end.
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
    /// How many tiles `n_rows` rows take; none in a step that the kernel is not for.
    fn count(self, n_rows: u32) -> u32 {
        let (fewest, most) = self.steps;
        if (fewest..=most).contains(&n_rows) { n_rows.div_ceil(self.rows) } else { 0 }
    }

    /// The grid for `groups` workgroups a tile. Kernels for single rows, and for what is one tile, have it cut, since the
    /// width of a grid is limited.
    fn grid(self, groups: u32, n_rows: u32) -> [u32; 3] {
        match self.count(n_rows) {
            0 => [0; 3],
            count if self.rows == 1 || self.steps.1 <= self.rows => {
                [groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), count]
            }
            count => [groups, count, 1],
        }
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
        pad0: u32,
    }
}
