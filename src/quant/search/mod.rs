//! Scales for weights that are to be stored in few bits: the one by the largest weight, and searches for those of the least
//! squared error.
//!
//! A search tries a few divisors of the weights' range. Each gives codes, and for given codes the best scale (and minimum) is
//! that of a weighted least-squares fit. Large weights count for more: they carry more of a product.

/// Steps to either side of the plain divisor that a search tries.
const STEPS: i32 = 10;

/// The nearest whole number, for magnitudes below 2²²: adding 1.5 · 2²³ leaves no room for a fraction. `round` is a call on many
/// machines, and a search rounds each weight twenty times.
pub(super) fn nearest(x: f32) -> f32 {
    const NO_FRACTION: f32 = 12_582_912.0;
    x + NO_FRACTION - NO_FRACTION
}

/// The value of the largest magnitude, the first of several.
pub(super) fn largest(values: &[f32]) -> f32 {
    values.iter().copied().reduce(|most, w| if w.abs() > most.abs() { w } else { most }).unwrap_or(0.0)
}

/// The scale by which the largest of 32 weights becomes `−HALF`, and codes `0..2 · HALF`, where `HALF` stands for 0.
///
/// Codes are made in f64 and rounded by cutting off, as gguf-py's `quants.py` does: the same codes, bit by bit.
pub(super) fn from_largest<const HALF: u8>(weights: &[f32]) -> (f32, [u8; 32]) {
    let d = largest(weights) / -f32::from(HALF);
    let per_d = f64::from(super::inverse(d));
    let mut codes = [0; 32];
    for (code, w) in codes.iter_mut().zip(weights) {
        let rounded = (f64::from(*w) * per_d + f64::from(HALF) + 0.5) as u8;
        *code = rounded.min(2 * HALF - 1);
    }
    (d, codes)
}

/// The scale `s` for codes in `−HALF..HALF` that makes `Σ w² (w − s · code)²` least.
pub(super) fn scale<const HALF: i32>(weights: &[f32]) -> f32 {
    let largest = largest(weights);
    if largest == 0.0 {
        return 0.0;
    }
    let (low, high) = (-HALF as f32, (HALF - 1) as f32);
    let (mut best, mut best_gain) = (0.0, 0.0);
    for step in -STEPS..=STEPS {
        let per_scale = (low + 0.1 * step as f32) / largest;
        let (mut along, mut square) = (0.0f32, 0.0f32);
        for w in weights {
            let code = nearest(w * per_scale).clamp(low, high);
            // Relative to the largest, so that no sum leaves f32's range.
            let w = w / largest;
            along += w * w * w * code;
            square += w * w * code * code;
        }
        // The error is Σ w⁴ less this.
        let gain = along * along / square;
        if gain > best_gain {
            (best, best_gain) = (along / square * largest, gain);
        }
    }
    best
}

/// The scale and minimum, neither below 0, for codes in `0..=MOST` that make `Σ v (w − scale · code + minimum)²` least, where
/// a weight counts `v = √mean(w²) + |w|`.
pub(super) fn scale_and_minimum<const MOST: i32>(weights: &[f32]) -> (f32, f32) {
    // Minima are stored without their sign, so none is above 0.
    let low = weights.iter().copied().fold(0.0, f32::min);
    let high = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = high - low;
    if range == 0.0 || !range.is_finite() {
        return (range, -low);
    }
    let most = MOST as f32;
    let per_range = 1.0 / range;
    let mean = (weights.iter().map(|w| (w * per_range).powi(2)).sum::<f32>() / weights.len() as f32).sqrt();
    let (mut best, mut best_error) = ((range / most, -low), f32::INFINITY);
    for step in -STEPS..=STEPS {
        let per_scale = (most + 0.1 * step as f32) * per_range;
        // Sums for the fit of `w ≈ a · code + b`, in units of the range.
        let [mut n, mut c, mut cc, mut w1, mut wc, mut ww] = [0.0f32; 6];
        for w in weights {
            let code = nearest((w - low) * per_scale).clamp(0.0, most);
            let w = w * per_range;
            let v = mean + w.abs();
            n += v;
            c += v * code;
            cc += v * code * code;
            w1 += v * w;
            wc += v * w * code;
            ww += v * w * w;
        }
        let determinant = n * cc - c * c;
        let (mut a, mut b) = ((n * wc - c * w1) / determinant, (cc * w1 - c * wc) / determinant);
        if b > 0.0 || determinant <= 0.0 {
            (a, b) = (wc / cc, 0.0);
        }
        let error = ww - 2.0 * (a * wc + b * w1) + a * a * cc + 2.0 * a * b * c + b * b * n;
        if a > 0.0 && error < best_error {
            (best, best_error) = ((a * range, -b * range), error);
        }
    }
    best
}
