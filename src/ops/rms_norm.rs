//! `y = x / sqrt(mean(x²) + eps) · weight` (Zhang & Sennrich 2019, eq. 4).

use std::rc::Rc;

use super::{Lowering, Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer};

/// Root-mean-square norm of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNorm {
    /// Index of the weight vector in the graph: `[width]`.
    pub weight: usize,
    /// Added to the mean square.
    pub eps: f32,
}

impl RmsNorm {
    /// CPU reference. `x: [rows, width]`, `weight: [width]` → `[rows, width]`.
    pub fn reference(&self, x: &Rows, weight: &[f32]) -> Rows {
        let mut y = Rows::zeros(x.len(), x.width);
        for i in 0..x.len() {
            let mean = x.row(i).iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() / x.width as f64;
            let scale = 1.0 / (mean + f64::from(self.eps)).sqrt();
            for (j, out) in y.row_mut(i).iter_mut().enumerate() {
                *out = (f64::from(x.row(i)[j]) * scale) as f32 * weight[j];
            }
        }
        y
    }

    /// GPU lowering.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        weight: &Rc<GpuBuffer>,
        x: &Operand,
        y: &Operand,
    ) -> Vec<DispatchSpec> {
        let params = Params {
            width: x.width,
            x_stride: x.stride_quads(),
            x_offset: x.offset_quads(),
            y_stride: y.stride_quads(),
            eps: self.eps,
            rows: ctx.max_rows,
            pad: [0; 2],
        };
        let (kernel, rows_of_group) = ctx.variants.norm_kernel("rms_norm");
        let buffers = vec![Rc::clone(&x.buffer), Rc::clone(weight), Rc::clone(&y.buffer)];
        let outputs = x.clone();
        vec![dispatch(
            label,
            kernel,
            &params,
            buffers,
            Box::new(move |s| [outputs.rows_of(s).div_ceil(rows_of_group), 1, 1]),
        )]
    }
}

params! {
    pub(super) struct Params {
        width: u32,
        x_stride: u32,
        x_offset: u32,
        y_stride: u32,
        eps: f32,
        rows: u32,
        pad: [u32; 2],
    }
}
