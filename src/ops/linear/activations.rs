//! What a matrix times one row is multiplied in: f32, or, where the caller allows it, activations that are rounded once. A
//! reference that rounds the same way goes with each.

use serde::Serialize;

use super::{Linear, LinearWeights, f16, int8};
use crate::ops::{CpuMatrix, Rows};

/// Values that share a scale.
pub(super) const SUB_BLOCK: usize = 32;
/// What has no larger value counts as zeros (`shaders/lib/magnitude.wgsl`).
pub(super) const LEAST: f32 = 7.888_609e-31; // 2^-100

/// How kernels take activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// As they are.
    #[default]
    F32,
    /// Rounded to half floats, in which products are added up within a sub-block.
    F16,
    /// Rounded to bytes.
    Int8,
}

impl Activations {
    /// By name, as options and stored choices spell it.
    pub fn named(name: &str) -> Option<Self> {
        [Self::F32, Self::F16, Self::Int8].into_iter().find(|activations| activations.name() == name)
    }

    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    /// How far a result may be from the exact product's, relative to the largest of a row's results.
    pub fn tolerance(self) -> f32 {
        match self {
            Self::F32 => 0.0,
            Self::F16 => f16::TOLERANCE,
            Self::Int8 => int8::TOLERANCE,
        }
    }

    /// What takes the place of a format's import that has dot products ([`Format::integer_dot`]); none where activations are taken
    /// as they are, or the format has no such import.
    ///
    /// [`Format::integer_dot`]: crate::quant::Format::integer_dot
    pub fn dot(self, import: Option<&'static str>) -> Option<(&'static str, String)> {
        let import = import.filter(|_| self != Self::F32)?;
        Some((import, format!("{}/{import}", self.name())))
    }

    /// What kernels make of activations.
    fn rounded(self, x: &Rows) -> Rows {
        match self {
            Self::F32 => x.clone(),
            Self::F16 => f16::rounded(x),
            Self::Int8 => int8::rounded(x),
        }
    }
}

impl Linear {
    /// [`Linear::reference`] with rounded activations: what the kernel multiplies, a row times a folded norm's weight, is rounded;
    /// the norm's factor comes after. Of activations that are not rounded, the reference itself.
    pub fn reference_rounded(
        &self,
        activations: Activations,
        x: &Rows,
        weights: LinearWeights<&dyn CpuMatrix, &[f32]>,
        residual: Option<&Rows>,
    ) -> Rows {
        if activations == Activations::F32 {
            return self.reference(x, weights, residual);
        }
        let mut weighted = x.clone();
        let mut factors = vec![1.0; x.len()];
        if let (Some(op), Some(weight)) = (&self.norm, weights.norm) {
            for (i, factor) in factors.iter_mut().enumerate() {
                let squares: f64 = x.row(i).iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
                *factor = (squares / x.width as f64 + f64::from(op.eps)).sqrt().recip() as f32;
                weighted.row_mut(i).iter_mut().zip(weight).for_each(|(value, weight)| *value *= weight);
            }
        }
        let mut x = activations.rounded(&weighted);
        for (i, factor) in factors.iter().enumerate() {
            x.row_mut(i).iter_mut().for_each(|value| *value *= factor);
        }
        let plain = Self { norm: None, ..self.clone() };
        plain.reference(&x, LinearWeights { norm: None, ..weights }, residual)
    }
}

/// The largest magnitude of a sub-block, by bits as kernels take it: NaN is the largest.
pub(super) fn largest(values: &[f32]) -> f32 {
    f32::from_bits(values.iter().fold(LEAST.to_bits(), |most, value| most.max(value.abs().to_bits())))
}
