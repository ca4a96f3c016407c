//! Products of activations that are rounded to bytes (`shaders/lib/int8.wgsl`): a variant of the kernels for one row, where the
//! caller allows it. Its reference rounds the same way, and then computes as the exact one does.

use super::{Linear, LinearWeights};
use crate::ops::{CpuMatrix, Rows};

/// Values that share a scale.
const SUB_BLOCK: usize = 32;
/// What has no larger value counts as zeros.
const LEAST: f32 = 7.888_609e-31; // 2^-100

/// How far a result may be from the exact product's, relative to the largest of a row's results. Rounding costs a value up to
/// 1/254 of the largest of its 32, 0.29/127 of it in root mean square. Errors add up as the products do, by their squares, and the
/// largest of the 32 is 1.7 to 4 times their root mean square: 0.4 to 0.9 % of the results' root mean square. The largest result is
/// some three times that, and so is the largest error.
pub const TOLERANCE: f32 = 1.5e-2;

/// What the bytes stand for: each sub-block's largest magnitude becomes 127, and the others the nearest whole number, ties to even.
pub fn rounded(x: &Rows) -> Rows {
    let mut y = x.clone();
    for i in 0..y.len() {
        for values in y.row_mut(i).chunks_mut(SUB_BLOCK) {
            // By bits, as the kernel does: NaN is the largest.
            let most = values.iter().fold(LEAST.to_bits(), |most, value| most.max(value.abs().to_bits()));
            let most = f32::from_bits(most);
            let (scale, factor) = (most / 127.0, 127.0 / most);
            values.iter_mut().for_each(|value| *value = scale * (*value * factor).round_ties_even());
        }
    }
    y
}

impl Linear {
    /// [`Linear::reference`] with rounded activations: what the kernel multiplies, a row times a folded norm's weight, is rounded;
    /// the norm's factor comes after.
    pub fn reference_int8(
        &self,
        x: &Rows,
        weights: LinearWeights<&dyn CpuMatrix, &[f32]>,
        residual: Option<&Rows>,
    ) -> Rows {
        let mut weighted = x.clone();
        let mut factors = vec![1.0; x.len()];
        if let (Some(op), Some(weight)) = (&self.norm, weights.norm) {
            for (i, factor) in factors.iter_mut().enumerate() {
                let squares: f64 = x.row(i).iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
                *factor = (squares / x.width as f64 + f64::from(op.eps)).sqrt().recip() as f32;
                weighted.row_mut(i).iter_mut().zip(weight).for_each(|(value, weight)| *value *= weight);
            }
        }
        let mut x = rounded(&weighted);
        for (i, factor) in factors.iter().enumerate() {
            x.row_mut(i).iter_mut().for_each(|value| *value *= factor);
        }
        let plain = Self { norm: None, ..self.clone() };
        plain.reference(&x, LinearWeights { norm: None, ..weights }, residual)
    }
}
