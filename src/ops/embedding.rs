//! `y[row] = weight[token(row)] · scale`, or rows by position, or one row for all.

use std::rc::Rc;

use super::{CpuMatrix, Lowering, Matrix, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec};

/// Which row of the table a row of the step takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableRow {
    /// That of its token's id.
    Token,
    /// That of its position, of which the first has this one.
    Position(u32),
    /// That of its position among the tokens that are not this one, which pads; the first has the row after this, and padding
    /// itself this one. For steps that hold whole texts.
    PastPadding(u32),
    /// The same for all.
    Fixed(u32),
}

impl TableRow {
    /// The row of position 0 and token 0, and what id and position are multiplied by.
    fn factors(self) -> (u32, u32, u32) {
        match self {
            Self::Token => (0, 1, 0),
            Self::Position(first) => (first, 0, 1),
            Self::PastPadding(padding) => (padding, 0, 0),
            Self::Fixed(row) => (row, 0, 0),
        }
    }

    /// The id that pads, if positions depend on it.
    fn padding(self) -> u32 {
        if let Self::PastPadding(padding) = self { padding } else { NO_PADDING }
    }

    /// That of row `i` of the step.
    fn of(self, rows: &[StepRow], i: usize) -> u32 {
        let (first, by_token, by_position) = self.factors();
        let padding = self.padding();
        let counts = |row: &StepRow| padding != NO_PADDING && row.token != padding;
        let counted = if counts(&rows[i]) { rows[..=i].iter().filter(|row| counts(row)).count() as u32 } else { 0 };
        first + rows[i].token * by_token + rows[i].position * by_position + counted
    }
}

/// In the place of an id that pads.
const NO_PADDING: u32 = u32::MAX;

/// Rows of `weight: [rows, hidden_size]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Index of the weight in the graph.
    pub weight: usize,
    /// Factor on every value.
    pub scale: f32,
    /// Which.
    pub row: TableRow,
}

impl Embedding {
    /// CPU reference. `weight: [table rows, hidden_size]` → `[rows, hidden_size]`.
    pub fn reference(&self, weight: &dyn CpuMatrix, rows: &[StepRow]) -> Rows {
        let mut y = Rows::zeros(rows.len(), weight.shape().1);
        for i in 0..rows.len() {
            weight.row(self.row.of(rows, i) as usize, y.row_mut(i));
            y.row_mut(i).iter_mut().for_each(|value| *value *= self.scale);
        }
        y
    }

    /// GPU lowering: one dispatch a part of the table.
    pub fn lower(&self, ctx: &Lowering<'_>, label: &str, weight: &Matrix, y: &Operand) -> Vec<DispatchSpec> {
        let row_blocks = weight.format.sub_blocks(u64::from(weight.cols)) as u32;
        let (first, by_token, by_position) = self.row.factors();
        let lower_part = |part: &super::MatrixPart| {
            let params = Params {
                row_blocks,
                part_first: part.first_row,
                part_end: part.first_row + part.rows,
                y_stride: y.stride_quads(),
                scale: self.scale,
                first,
                by_token,
                by_position,
                prepared_width: y.prepared_width(),
                together: weight.together,
                padding: self.row.padding(),
                pad: 0,
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
        first: u32,
        by_token: u32,
        by_position: u32,
        prepared_width: u32,
        together: u32,
        padding: u32,
        pad: u32,
    }
}
