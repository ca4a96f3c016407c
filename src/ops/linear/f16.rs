//! Products in half floats (`shaders/lib/f16.wgsl`), where the caller allows it and the device has them: activations are rounded,
//! and up to eight products at a time are added up in half floats, in an order of the compiler's. Everything else is f32.

use super::activations::{SUB_BLOCK, largest};
use crate::ops::Rows;

/// What sums of four products in half floats may add to the rounding of activations, relative to the largest of a row's results.
/// Each of four products and three sums is rounded to 2⁻¹¹ of itself at most, 2⁻¹¹/√3 in root mean square. The errors of all sums add up
/// by their squares: some 3e-4 to 5e-4 of the root mean square of what is summed. That is four times the results' where codes have a
/// large offset that f32 takes off after (Q6_K's 32 of 63), and the largest error is four times the root mean square, against a
/// largest result of three times.
pub const SUMS: f32 = 2e-3;

/// How far a result may be from the exact product's, relative to the largest of a row's results: [`SUMS`], and 2⁻¹¹ of an activation
/// at most, which is less than those.
pub const TOLERANCE: f32 = 2.5e-3;

/// What the half floats stand for: a power of two for each sub-block takes the largest magnitude to between 2 and 4; what would
/// be no normal half float then, less than 2⁻¹⁴, becomes zero on some devices and is kept here.
pub fn rounded(x: &Rows) -> Rows {
    let mut y = x.clone();
    for i in 0..y.len() {
        for values in y.row_mut(i).chunks_mut(SUB_BLOCK) {
            let exponent = largest(values).to_bits() & 0x7f80_0000;
            let factor = f32::from_bits(0x7f80_0000 - exponent);
            let scale = 0.5 * f32::from_bits(exponent);
            values.iter_mut().for_each(|value| *value = scale * half::f16::from_f32(*value * factor).to_f32());
        }
    }
    y
}
