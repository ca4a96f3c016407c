//! `y[row] = weight[token(row)] · scale`, or rows by position.

use std::rc::Rc;

use super::{CpuMatrix, Lowering, Matrix, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec};

/// Rows of `weight: [vocab_size, hidden_size]` by token id, or of `[positions, hidden_size]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Index of the weight in the graph.
    pub weight: usize,
    /// Factor on every value.
    pub scale: f32,
    /// Rows are taken by position, the first from this row on, and not by token.
    pub first_position: Option<u32>,
}

impl Embedding {
    /// CPU reference. `weight: [vocab_size, hidden_size]` → `[rows, hidden_size]`.
    pub fn reference(&self, weight: &dyn CpuMatrix, rows: &[StepRow]) -> Rows {
        let mut y = Rows::zeros(rows.len(), weight.shape().1);
        for (i, row) in rows.iter().enumerate() {
            let at = self.first_position.map_or(row.token, |first| first + row.position);
            weight.row(at as usize, y.row_mut(i));
            y.row_mut(i).iter_mut().for_each(|value| *value *= self.scale);
        }
        y
    }

    /// GPU lowering: one dispatch a part of the table.
    pub fn lower(&self, ctx: &Lowering<'_>, label: &str, weight: &Matrix, y: &Operand) -> Vec<DispatchSpec> {
        let row_blocks = weight.format.sub_blocks(u64::from(weight.cols)) as u32;
        let lower_part = |part: &super::MatrixPart| {
            let params = Params {
                row_blocks,
                part_first: part.first_row,
                part_end: part.first_row + part.rows,
                y_stride: y.stride_quads(),
                scale: self.scale,
                by_position: u32::from(self.first_position.is_some()),
                first_position: self.first_position.unwrap_or(0),
                prepared_width: y.prepared_width(),
            };
            let kernel = KernelSpec::new("embedding").slot("QUANT", weight.format.shader());
            let norm_weight = y.prepared.as_ref().unwrap_or(ctx.nothing);
            let buffers =
                [ctx.step, &part.quants, &part.scales, &y.buffer, norm_weight].into_iter().map(Rc::clone).collect();
            let groups = row_blocks.div_ceil(32);
            let mut spec = dispatch(label, kernel, &params, buffers, Box::new(move |s| [groups, s.n_rows, 1]));
            let (quants, scales) = weight.format.gpu_row_bytes(u64::from(weight.cols));
            spec.weight_bytes = Box::new(move |s| u64::from(s.n_rows) * (quants + scales));
            spec
        };
        weight.parts.iter().map(lower_part).collect()
    }
}

params! {
    pub(super) struct Params {
        row_blocks: u32,
        part_first: u32,
        part_end: u32,
        y_stride: u32,
        scale: f32,
        by_position: u32,
        first_position: u32,
        prepared_width: u32,
    }
}
