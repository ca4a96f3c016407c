//! TQ1_0: 256 weights in 54 bytes: 52 bytes of digits to the base three, `d` (half); `w = d · (digit − 1)`. A byte is a fraction
//! of 256 whose first digit is its integer part after a multiplication by three. The first 32 bytes give five digits each,
//! the first digits of all before the second; then come 16 bytes likewise, and 4 of four digits (`ggml-quants.c`,
//! `dequantize_row_tq1_0`). On the GPU it is Q2_K with scales and minima of one.

use super::{WeightFormat, half_at};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "TQ1_0",
    ggml_type: 34,
    block_weights: 256,
    block_bytes: 54,
    quant_words: 16,
    scale_words: 5,
    halves_at: &[52],
    quantize: None,
    dequantize: |bytes, out| {
        let d = half_at(bytes, 52);
        for (n, weight) in out.iter_mut().enumerate() {
            let (byte, digit) = match n {
                0..160 => (n % 32, n / 32),
                160..240 => (32 + n % 16, n / 16 - 10),
                _ => (48 + n % 4, n / 4 - 60),
            };
            let fraction = (0..digit).fold(bytes[byte], |q, _| q.wrapping_mul(3));
            *weight = d * (f32::from(u16::from(fraction) * 3 / 256) - 1.0);
        }
    },
};
