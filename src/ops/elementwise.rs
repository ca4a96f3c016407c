//! Functions element by element.

use std::rc::Rc;

use super::{Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, KernelSpec};

/// A function of one or two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `a + b`
    Add,
    /// `a · b`
    Mul,
    /// `a · sigmoid(a)` (Elfwing et al. 2017)
    Silu,
    /// `silu(a) · b`, the gate of a gated MLP (Shazeer 2020, eq. 6)
    SiluMul,
}

impl Function {
    /// Every function: tests run over this list.
    pub const ALL: [Self; 4] = [Self::Add, Self::Mul, Self::Silu, Self::SiluMul];

    /// Number of inputs.
    pub fn arity(self) -> usize {
        if self == Self::Silu { 1 } else { 2 }
    }

    /// The WGSL file for a FUNCTION slot.
    pub fn file(self) -> &'static str {
        match self {
            Self::Add => "elementwise/add",
            Self::Mul => "elementwise/mul",
            Self::Silu => "elementwise/silu",
            Self::SiluMul => "elementwise/silu_mul",
        }
    }

    fn value(self, a: f32, b: f32) -> f32 {
        let silu = |x: f32| (f64::from(x) / (1.0 + (-f64::from(x)).exp())) as f32;
        match self {
            Self::Add => a + b,
            Self::Mul => a * b,
            Self::Silu => silu(a),
            Self::SiluMul => silu(a) * b,
        }
    }

    /// CPU reference. `a, b: [rows, width]` → the same; `b` is `a` for functions of one value.
    pub fn reference(self, a: &Rows, b: &Rows) -> Rows {
        let data = a.data.iter().zip(&b.data).map(|(a, b)| self.value(*a, *b)).collect();
        Rows { data, width: a.width }
    }

    /// GPU lowering.
    pub fn lower(self, label: &str, a: &Operand, b: &Operand, y: &Operand) -> Vec<DispatchSpec> {
        let params = Params {
            n_quads: y.width.div_ceil(4),
            a_stride: a.stride_quads(),
            a_offset: a.offset_quads(),
            b_stride: b.stride_quads(),
            b_offset: b.offset_quads(),
            y_stride: y.stride_quads(),
            pad: [0; 2],
        };
        let kernel = KernelSpec::new("elementwise").slot("FUNCTION", self.file());
        let buffers = vec![Rc::clone(&a.buffer), Rc::clone(&b.buffer), Rc::clone(&y.buffer)];
        let groups = params.n_quads.div_ceil(32);
        let rows = a.clone();
        vec![dispatch(label, kernel, &params, buffers, Box::new(move |s| [groups, rows.rows_of(s), 1]))]
    }
}

params! {
    pub(super) struct Params {
        n_quads: u32,
        a_stride: u32,
        a_offset: u32,
        b_stride: u32,
        b_offset: u32,
        y_stride: u32,
        pad: [u32; 2],
    }
}
