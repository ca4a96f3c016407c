//! Layer norm, `(x − mean) / sqrt(variance + eps) · weight + bias` (Ba et al. 2016, eq. 4), and what is not the plain
//! root-mean-square norm of `rms_norm.rs`: of each head apart, with a bias, or without a weight.

use std::rc::Rc;

use super::{Lowering, Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer};

/// Norm of each of a row's heads. A row of one head is a layer norm as published.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Heads in a row.
    pub heads: u32,
    /// Whether the mean is taken away; otherwise the root mean square alone divides (Zhang & Sennrich 2019, eq. 4).
    pub centred: bool,
    /// Whether heads share weight and bias: `[width / heads]`, and not `[width]`.
    pub shared: bool,
    /// Index of the weight vector in the graph.
    pub weight: Option<usize>,
    /// Index of the bias vector in the graph.
    pub bias: Option<usize>,
    /// Added to the variance or mean square.
    pub eps: f32,
}

impl Norm {
    /// CPU reference. `x: [rows, width]`, `weight` and `bias` as `shared` says → `[rows, width]`.
    pub fn reference(&self, x: &Rows, weight: Option<&[f32]>, bias: Option<&[f32]>) -> Rows {
        let width = x.width / self.heads as usize;
        let mut y = x.clone();
        for (i, head) in y.data.chunks_exact_mut(width).enumerate() {
            let n = width as f64;
            let mean = if self.centred { head.iter().map(|v| f64::from(*v)).sum::<f64>() / n } else { 0.0 };
            let square = |v: &f32| (f64::from(*v) - mean) * (f64::from(*v) - mean);
            let scale = 1.0 / (head.iter().map(square).sum::<f64>() / n + f64::from(self.eps)).sqrt();
            let first = if self.shared { 0 } else { i % self.heads as usize * width };
            for (j, value) in head.iter_mut().enumerate() {
                *value = ((f64::from(*value) - mean) * scale) as f32;
                *value *= weight.map_or(1.0, |weight| weight[first + j]);
                *value += bias.map_or(0.0, |bias| bias[first + j]);
            }
        }
        y
    }

    /// GPU lowering.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        weight: Option<&Rc<GpuBuffer>>,
        bias: Option<&Rc<GpuBuffer>>,
        (x, y): (&Operand, &Operand),
    ) -> Vec<DispatchSpec> {
        let (heads, width) = (self.heads, x.width / self.heads);
        let params = Params {
            width,
            x_stride: x.stride,
            x_offset: x.offset,
            y_stride: y.stride,
            eps: self.eps,
            centred: u32::from(self.centred),
            has_weight: u32::from(weight.is_some()),
            has_bias: u32::from(bias.is_some()),
            weight_stride: if self.shared { 0 } else { width },
            heads,
            all_heads: heads * ctx.max_rows,
            pad: 0,
        };
        let (kernel, heads_of_group) = ctx.variants.norm_kernel("norm");
        let vector = |vector: Option<&Rc<GpuBuffer>>| Rc::clone(vector.unwrap_or(ctx.nothing));
        let buffers = vec![Rc::clone(&x.buffer), vector(weight), vector(bias), Rc::clone(&y.buffer)];
        let rows = x.clone();
        vec![dispatch(
            label,
            kernel,
            &params,
            buffers,
            Box::new(move |s| [(heads * rows.rows_of(s)).div_ceil(heads_of_group), 1, 1]),
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
        centred: u32,
        has_weight: u32,
        has_bias: u32,
        weight_stride: u32,
        heads: u32,
        all_heads: u32,
        pad: u32,
    }
}
