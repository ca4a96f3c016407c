//! A linear of which every expert of a mixture has its own: each row of `x` goes through those that its router chose.
//! `y[m, nth, n] = x[m, (nth,) k] · w[expert(m, nth), n, k]ᵀ (+ bias[expert(m, nth), n])` (Shazeer et al. 2017, eq. 1). The
//! experts' numbers are read on the GPU.

use std::rc::Rc;

use super::linear::{GRID_WIDTH, LinearWeights};
use super::{CpuMatrix, Lowering, Matrix, MatrixPart, Operand, Reduce, Rows, dispatch, row_stride};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// Rows between the beginnings of two experts in the weight: kernels take rows in quads.
pub fn expert_rows(out_features: u32) -> u32 {
    out_features.next_multiple_of(4)
}

/// A linear of experts. Inputs: `x`, and the routes of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertLinear {
    /// Index of the weight in the graph: `[experts, expert_rows(out_features), in_features]`.
    pub weight: usize,
    /// Index of the bias vector in the graph: `[experts, expert_rows(out_features)]`.
    pub bias: Option<usize>,
    /// Experts that there are.
    pub experts: u32,
    /// Experts of a row.
    pub chosen: u32,
    /// Values that an expert gives. The next expert's follow at the next multiple of 32 columns.
    pub out_features: u32,
    /// Whether `x` has columns for each chosen expert, in that way, and not the same for all.
    pub spread: bool,
}

impl ExpertLinear {
    /// CPU reference, accumulating in f64. `x: [rows, in_features]` or, spread, `[rows, chosen · row_stride(in_features)]`,
    /// `routes: [rows, ROUTE_WIDTH]` → `[rows, chosen · row_stride(out_features)]`.
    pub fn reference(&self, x: &Rows, routes: &Rows, weight: &dyn CpuMatrix, bias: Option<&[f32]>) -> Rows {
        let (_, k) = weight.shape();
        let [chosen, n] = [self.chosen, self.out_features].map(|n| n as usize);
        let x_step = if self.spread { row_stride(k as u32) as usize } else { 0 };
        let y_step = row_stride(self.out_features) as usize;
        let mut y = Rows::zeros(x.len(), chosen * y_step);
        let mut w = vec![0.0; k];
        for i in 0..x.len() {
            for nth in 0..chosen {
                let first = routes.row(i)[nth] as usize * expert_rows(self.out_features) as usize;
                let x = &x.row(i)[nth * x_step..][..k];
                for j in 0..n {
                    weight.row(first + j, &mut w);
                    let sum: f64 = x.iter().zip(&w).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    y.row_mut(i)[nth * y_step + j] = sum as f32 + bias.map_or(0.0, |bias| bias[first + j]);
                }
            }
        }
        y
    }

    /// GPU lowering: one dispatch a part of the matrix, whatever the number of rows; an expert's rows may stand in several.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        weights: LinearWeights<&Matrix, &Rc<GpuBuffer>>,
        (x, routes): (&Operand, &Operand),
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let LinearWeights { weight, bias, .. } = weights;
        let on_cpu = ctx.variants.matvec == Reduce::None;
        let workgroup = if on_cpu { 8 } else { ctx.variants.matvec_workgroup };
        let kernel = KernelSpec::new(if on_cpu { "expert_linear_rows" } else { "expert_linear" })
            .slot("QUANT", weight.format.shader())
            .slot("ACT", if on_cpu { ctx.variants.act() } else { "act/plain" })
            .constant("WORKGROUP", workgroup);
        let kernel = if on_cpu { kernel } else { kernel.slot("REDUCE", ctx.variants.matvec.file()) };
        let n_quads = self.out_features.div_ceil(4);
        let groups = if on_cpu { n_quads.div_ceil(2 * workgroup) } else { n_quads.div_ceil(2) };
        let row_blocks = weight.format.sub_blocks(u64::from(weight.cols)) as u32;
        let lower_part = |part: &MatrixPart| {
            let params = Params {
                row_blocks,
                n_quads,
                first_quad: part.first_row / 4,
                part_quads: part.rows.div_ceil(4),
                experts: self.experts,
                chosen: self.chosen,
                x_stride: x.stride_quads(),
                x_offset: x.offset_quads(),
                x_blocks: if self.spread { row_blocks } else { 0 },
                y_stride: y.stride_quads(),
                y_offset: y.offset_quads(),
                y_step: row_stride(self.out_features) / 4,
                routes_stride: routes.stride,
                routes_offset: routes.offset,
                has_bias: u32::from(bias.is_some()),
                together: weight.together,
            };
            let buffers = vec![
                Rc::clone(&part.quants),
                Rc::clone(&part.scales),
                Rc::clone(&x.buffer),
                Rc::clone(&routes.buffer),
                Rc::clone(bias.unwrap_or(ctx.nothing)),
                Rc::clone(&y.buffer),
            ];
            let chosen = self.chosen;
            let (grid_rows, weight_rows, work_rows) = (x.clone(), x.clone(), x.clone());
            let grid = Box::new(move |s: &StepShape| {
                [groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), chosen * grid_rows.rows_of(s)]
            });
            let mut spec = dispatch(label, kernel.clone(), &params, buffers, grid);
            // As if experts were chosen evenly.
            let share = |all: u64| all * u64::from(chosen) / u64::from(self.experts);
            let macs = share(u64::from(part.rows) * u64::from(weight.cols));
            spec.work = Box::new(move |s| macs * u64::from(work_rows.rows_of(s)));
            let bytes = share(weight.part_bytes(part));
            spec.weight_bytes = Box::new(move |s| bytes * u64::from(weight_rows.rows_of(s)));
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
        part_quads: u32,
        experts: u32,
        chosen: u32,
        x_stride: u32,
        x_offset: u32,
        x_blocks: u32,
        y_stride: u32,
        y_offset: u32,
        y_step: u32,
        routes_stride: u32,
        routes_offset: u32,
        has_bias: u32,
        together: u32,
    }
}
