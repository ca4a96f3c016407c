//! The sum of what a row's experts gave, by their weights (Shazeer et al. 2017, eq. 1).

use std::rc::Rc;

use super::route::MAX_CHOSEN;
use super::{Lowering, Operand, Rows, dispatch, row_stride};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec, StepShape};

/// A sum. Inputs: `x`, the routes of its rows, and what is added to the sum, if anything.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertSum {
    /// Experts of a row.
    pub chosen: u32,
    /// Whether the third input is added.
    pub residual: bool,
}

impl ExpertSum {
    /// CPU reference. `x: [rows, chosen · row_stride(width)]`, `routes: [rows, ROUTE_WIDTH]`, `residual: [rows, width]` →
    /// `[rows, width]`.
    pub fn reference(&self, x: &Rows, routes: &Rows, residual: Option<&Rows>, width: usize) -> Rows {
        let mut y = Rows::zeros(x.len(), width);
        for i in 0..x.len() {
            for j in 0..width {
                let one = |nth: usize| {
                    let weight = routes.row(i)[MAX_CHOSEN as usize + nth];
                    f64::from(weight) * f64::from(x.row(i)[nth * row_stride(width as u32) as usize + j])
                };
                let sum: f64 = (0..self.chosen as usize).map(one).sum();
                y.row_mut(i)[j] = sum as f32 + residual.map_or(0.0, |residual| residual.row(i)[j]);
            }
        }
        y
    }

    /// GPU lowering.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        (x, routes): (&Operand, &Operand),
        residual: Option<&Operand>,
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let params = Params {
            n_quads: y.width.div_ceil(4),
            chosen: self.chosen,
            x_step: row_stride(y.width) / 4,
            x_stride: x.stride_quads(),
            x_offset: x.offset_quads(),
            y_stride: y.stride_quads(),
            y_offset: y.offset_quads(),
            routes_stride: routes.stride,
            routes_offset: routes.offset,
            has_residual: u32::from(residual.is_some()),
            residual_stride: residual.map_or(0, Operand::stride_quads),
            residual_offset: residual.map_or(0, Operand::offset_quads),
        };
        let buffers = vec![
            Rc::clone(&x.buffer),
            Rc::clone(&routes.buffer),
            Rc::clone(residual.map_or(ctx.nothing, |residual| &residual.buffer)),
            Rc::clone(&y.buffer),
        ];
        let (groups, rows) = (params.n_quads.div_ceil(32), x.clone());
        let grid = Box::new(move |s: &StepShape| [groups, rows.rows_of(s), 1]);
        vec![dispatch(label, KernelSpec::new("expert_sum"), &params, buffers, grid)]
    }
}

params! {
    pub(super) struct Params {
        n_quads: u32,
        chosen: u32,
        x_step: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        y_offset: u32,
        routes_stride: u32,
        routes_offset: u32,
        has_residual: u32,
        residual_stride: u32,
        residual_offset: u32,
    }
}
