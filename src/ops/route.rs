//! The router of a mixture of experts (Shazeer et al. 2017, § 2; Jiang et al. 2024, § 2.1): of each row's logits, one an
//! expert, the largest, and the weights of what these experts give.

use std::rc::Rc;

use super::{Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec};

/// Experts at most.
pub const MAX_EXPERTS: u32 = 256;
/// Experts of a row at most (`shaders/route.wgsl`).
pub const MAX_CHOSEN: u32 = 16;
/// Values of a row of routes: the experts' numbers, and from [`MAX_CHOSEN`] on their weights; the largest logit's come first.
/// What lies between is of no meaning.
pub const ROUTE_WIDTH: u32 = 2 * MAX_CHOSEN;

/// A router. Input: logits. Output: routes.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Experts that a row is given to; of equal logits the first ones count.
    pub chosen: u32,
    /// Whether the softmax goes over the chosen logits only, so that weights sum to 1, and not over all.
    pub normalised: bool,
}

impl Route {
    /// CPU reference. `logits: [rows, experts]` → `[rows, ROUTE_WIDTH]`.
    pub fn reference(&self, logits: &Rows) -> Rows {
        let chosen = self.chosen as usize;
        let mut y = Rows::zeros(logits.len(), ROUTE_WIDTH as usize);
        for i in 0..logits.len() {
            let row = logits.row(i);
            let mut order: Vec<usize> = (0..row.len()).collect();
            // Adding 0 makes the two zeros one.
            order.sort_by(|a, b| (row[*b] + 0.0).total_cmp(&(row[*a] + 0.0)));
            let exp = |expert: &usize| (f64::from(row[*expert]) - f64::from(row[order[0]])).exp();
            let summed = if self.normalised { &order[..chosen] } else { &order[..] };
            let sum: f64 = summed.iter().map(exp).sum();
            for (nth, expert) in order[..chosen].iter().enumerate() {
                y.row_mut(i)[nth] = *expert as f32;
                y.row_mut(i)[MAX_CHOSEN as usize + nth] = (exp(expert) / sum) as f32;
            }
        }
        y
    }

    /// GPU lowering.
    pub fn lower(&self, label: &str, logits: &Operand, y: &Operand) -> Vec<DispatchSpec> {
        let params = Params {
            experts: logits.width,
            chosen: self.chosen,
            normalised: u32::from(self.normalised),
            x_stride: logits.stride,
            x_offset: logits.offset,
            y_stride: y.stride,
            y_offset: y.offset,
            pad: 0,
        };
        let buffers = vec![Rc::clone(&logits.buffer), Rc::clone(&y.buffer)];
        let rows = logits.clone();
        vec![dispatch(label, KernelSpec::new("route"), &params, buffers, Box::new(move |s| [rows.rows_of(s), 1, 1]))]
    }
}

params! {
    pub(super) struct Params {
        experts: u32,
        chosen: u32,
        normalised: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        y_offset: u32,
        pad: u32,
    }
}
