//! Products of activations that are rounded to bytes (`shaders/lib/int8.wgsl`), where the caller allows it. Products of bytes are
//! exact, so what is rounded is the activations alone.

use super::activations::{SUB_BLOCK, largest};
use crate::ops::Rows;

/// How far a result may be from the exact product's, relative to the largest of a row's results. Rounding costs a value up to
/// 1/254 of the largest of its 32, 0.29/127 of it in root mean square. Errors add up as the products do, by their squares, and the
/// largest of the 32 is 1.7 to 4 times their root mean square: 0.4 to 0.9 % of the results' root mean square. The largest result is
/// some three times that, and so is the largest error.
pub const TOLERANCE: f32 = 1.5e-2;

/// The file of tiles that stands in for an import of dot products ([`Format::integer_dot`]).
///
/// [`Format::integer_dot`]: crate::quant::Format::integer_dot
pub fn tile(import: &str) -> String {
    format!("int8/{}_tile", import.trim_end_matches("_dot"))
}

/// What the bytes stand for: each sub-block's largest magnitude becomes 127, and the others the nearest whole number, ties to even.
pub fn rounded(x: &Rows) -> Rows {
    let mut y = x.clone();
    for i in 0..y.len() {
        for values in y.row_mut(i).chunks_mut(SUB_BLOCK) {
            let most = largest(values);
            let (scale, factor) = (most / 127.0, 127.0 / most);
            values.iter_mut().for_each(|value| *value = scale * (*value * factor).round_ties_even());
        }
    }
    y
}
