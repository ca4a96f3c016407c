//! Functions element by element.

use std::rc::Rc;

use super::{Operand, Rows, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec};

/// A function of one or two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `a + b`
    Add,
    /// `a · b`
    Mul,
    /// `a · sigmoid(a)` (Elfwing et al. 2017)
    Silu,
    /// `silu(a) · b`, the gate of a gated MLP (Shazeer 2020, eq. 6)
    SiluMul,
    /// `a · Φ(a)` with the normal distribution's Φ (Hendrycks & Gimpel 2016), exact
    Gelu,
    /// `gelu(a) · b`
    GeluMul,
    /// GELU by tanh (Hendrycks & Gimpel 2016, § 2)
    GeluTanh,
    /// `gelu_tanh(a) · b`
    GeluTanhMul,
    /// `a · sigmoid(1.702 a)` (Hendrycks & Gimpel 2016, § 2)
    QuickGelu,
    /// `max(a, 0)`
    Relu,
    /// `max(a, 0)²` (So et al. 2021, § 4)
    SquaredRelu,
    /// `1 / (1 + exp(−a))`
    Sigmoid,
    /// `a · x`
    Scale(f32),
    /// `a + b · x`
    AddScaled(f32),
    /// `x · tanh(a / x)` (Gemma Team 2024, § 2)
    SoftCap(f32),
    /// `a` within `[−x, x]`
    Clamp(f32),
    /// `(clamp(b) + 1) · a · sigmoid(alpha · a)`, `a` at most `limit`, `b` within `[−limit, limit]` (OpenAI 2025, § 2.2)
    ClampedSwiglu {
        /// See the formula.
        alpha: f32,
        /// See the formula.
        limit: f32,
    },
    /// `a · sigmoid(b)`, with one value of `b` for each row
    RowGate,
}

impl Function {
    /// Every function: tests run over this list.
    pub const ALL: [Self; 18] = [
        Self::Add,
        Self::Mul,
        Self::Silu,
        Self::SiluMul,
        Self::Gelu,
        Self::GeluMul,
        Self::GeluTanh,
        Self::GeluTanhMul,
        Self::QuickGelu,
        Self::Relu,
        Self::SquaredRelu,
        Self::Sigmoid,
        Self::Scale(0.3),
        Self::AddScaled(1.5),
        Self::SoftCap(5.0),
        Self::Clamp(0.5),
        Self::ClampedSwiglu { alpha: 1.702, limit: 0.7 },
        Self::RowGate,
    ];

    /// Number of inputs.
    pub fn arity(self) -> usize {
        match self {
            Self::Add | Self::Mul | Self::AddScaled(_) | Self::ClampedSwiglu { .. } | Self::RowGate => 2,
            _ if self.is_gate() => 2,
            _ => 1,
        }
    }

    /// `self(a) · b` as one function.
    pub fn gated(self) -> Option<Self> {
        match self {
            Self::Silu => Some(Self::SiluMul),
            Self::Gelu => Some(Self::GeluMul),
            Self::GeluTanh => Some(Self::GeluTanhMul),
            _ => None,
        }
    }

    /// Whether it is what some function becomes by [`Function::gated`].
    pub fn is_gate(self) -> bool {
        matches!(self, Self::SiluMul | Self::GeluMul | Self::GeluTanhMul)
    }

    /// The numbers that it takes, or 0.
    fn parameters(self) -> [f32; 2] {
        match self {
            Self::Scale(x) | Self::AddScaled(x) | Self::SoftCap(x) | Self::Clamp(x) => [x, 0.0],
            Self::ClampedSwiglu { alpha, limit } => [limit, alpha],
            _ => [0.0; 2],
        }
    }

    /// The WGSL file for a FUNCTION slot.
    pub fn file(self) -> &'static str {
        match self {
            Self::Add => "elementwise/add",
            Self::Mul => "elementwise/mul",
            Self::Silu => "elementwise/silu",
            Self::SiluMul => "elementwise/silu_mul",
            Self::Gelu => "elementwise/gelu",
            Self::GeluMul => "elementwise/gelu_mul",
            Self::GeluTanh => "elementwise/gelu_tanh",
            Self::GeluTanhMul => "elementwise/gelu_tanh_mul",
            Self::QuickGelu => "elementwise/quick_gelu",
            Self::Relu => "elementwise/relu",
            Self::SquaredRelu => "elementwise/squared_relu",
            Self::Sigmoid => "elementwise/sigmoid",
            Self::Scale(_) => "elementwise/scale",
            Self::AddScaled(_) => "elementwise/add_scaled",
            Self::SoftCap(_) => "elementwise/soft_cap",
            Self::Clamp(_) => "elementwise/clamp",
            Self::ClampedSwiglu { .. } => "elementwise/clamped_swiglu",
            Self::RowGate => "elementwise/row_gate",
        }
    }

    fn value(self, a: f32, b: f32) -> f32 {
        let silu = |x: f32| (f64::from(x) / (1.0 + (-f64::from(x)).exp())) as f32;
        let gelu = |x: f32| (0.5 * f64::from(x) * (1.0 + erf(f64::from(x) / std::f64::consts::SQRT_2))) as f32;
        let gelu_tanh = |x: f32| {
            let x = f64::from(x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            (0.5 * x * (1.0 + inner.tanh())) as f32
        };
        match self {
            Self::Add => a + b,
            Self::Mul => a * b,
            Self::Silu => silu(a),
            Self::SiluMul => silu(a) * b,
            Self::Gelu => gelu(a),
            Self::GeluMul => gelu(a) * b,
            Self::GeluTanh => gelu_tanh(a),
            Self::GeluTanhMul => gelu_tanh(a) * b,
            Self::QuickGelu => (f64::from(a) / (1.0 + (-1.702 * f64::from(a)).exp())) as f32,
            Self::Relu => a.max(0.0),
            Self::SquaredRelu => a.max(0.0) * a.max(0.0),
            Self::Sigmoid => (1.0 / (1.0 + (-f64::from(a)).exp())) as f32,
            Self::Scale(x) => a * x,
            Self::AddScaled(x) => a + b * x,
            Self::SoftCap(x) => x * (a / x).tanh(),
            Self::Clamp(x) => a.clamp(-x, x),
            Self::ClampedSwiglu { alpha, limit } => {
                let gate = f64::from(a.min(limit));
                ((f64::from(b.clamp(-limit, limit)) + 1.0) * gate / (1.0 + (-f64::from(alpha) * gate).exp())) as f32
            }
            Self::RowGate => (f64::from(a) / (1.0 + (-f64::from(b)).exp())) as f32,
        }
    }

    /// CPU reference. `a, b: [rows, width]` → the same; `b` is `a` for functions of one value. Of `b` a row gate reads the first
    /// column.
    pub fn reference(self, a: &Rows, b: &Rows) -> Rows {
        let column = |j: usize| if self == Self::RowGate { 0 } else { j };
        let value = |i: usize| self.value(a.data[i], b.row(i / a.width)[column(i % a.width)]);
        Rows { data: (0..a.data.len()).map(value).collect(), width: a.width }
    }

    /// GPU lowering.
    pub fn lower(self, label: &str, a: &Operand, b: &Operand, y: &Operand) -> Vec<DispatchSpec> {
        let [value, second] = self.parameters();
        let params = Params {
            n_quads: y.width.div_ceil(4),
            a_stride: a.stride_quads(),
            a_offset: a.offset_quads(),
            b_stride: b.stride_quads(),
            b_offset: b.offset_quads(),
            y_stride: y.stride_quads(),
            value,
            second,
            b_step: u32::from(self != Self::RowGate),
            pad: [0; 3],
        };
        let kernel = KernelSpec::new("elementwise").slot("FUNCTION", self.file());
        let buffers = vec![Rc::clone(&a.buffer), Rc::clone(&b.buffer), Rc::clone(&y.buffer)];
        let groups = params.n_quads.div_ceil(32);
        let rows = a.clone();
        vec![dispatch(label, kernel, &params, buffers, Box::new(move |s| [groups, rows.rows_of(s), 1]))]
    }
}

/// `y[m, n] = x[m, n] · v[first + n]`: the same factors for every row.
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

params! {
    pub(super) struct Params {
        n_quads: u32,
        a_stride: u32,
        a_offset: u32,
        b_stride: u32,
        b_offset: u32,
        y_stride: u32,
        value: f32,
        second: f32,
        b_step: u32,
        pad: [u32; 3],
    }
}

/// The error function, by a series of positive terms: `2/√π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!` (DLMF 7.6.2).
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        n += 2.0;
        term *= 2.0 * x * x / n;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}
