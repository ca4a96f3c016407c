//! `y[m, n] = x[m, n] · v[first + n]`: the same factors for every row.

use std::rc::Rc;

use super::elementwise::Function;
use super::{Operand, Rows};
use crate::gpu::{DispatchSpec, GpuBuffer};

/// Factors by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnScale {
    /// Index of the vector in the graph.
    pub weight: usize,
    /// Where the factors begin in it; a multiple of 32.
    pub first: u32,
}

impl ColumnScale {
    /// CPU reference. `x: [rows, width]` → the same; `vector` has `first + width` values at least.
    pub fn reference(&self, x: &Rows, vector: &[f32]) -> Rows {
        let factors = &vector[self.first as usize..];
        let data = x.data.chunks(x.width).flat_map(|row| row.iter().zip(factors).map(|(x, factor)| x * factor));
        Rows { data: data.collect(), width: x.width }
    }

    /// GPU lowering: a product whose second operand is one row for all.
    pub fn lower(&self, label: &str, vector: &Rc<GpuBuffer>, x: &Operand, y: &Operand) -> Vec<DispatchSpec> {
        let (buffer, prepared) = (Rc::clone(vector), None);
        let factors = Operand { buffer, stride: 0, offset: self.first, width: x.width, outputs: x.outputs, prepared };
        Function::Mul.lower(label, x, &factors, y)
    }
}
