//! Q6_K: 256 weights in 210 bytes: 128 of nibbles, 64 of the upper two bits, 16 signed scales, one for 16 weights, and `d`
//! (half). Of sub-block `s = 4 h + t`, weight `i` has nibble `t / 2` of byte `64 h + 32 · (t % 2) + i` and bits `2 t` and
//! `2 t + 1` of byte `32 h + i`; `w = d · scale · (q − 32)` (`ggml-quants.c`, `dequantize_row_q6_K`).

use super::{WeightFormat, half_at};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q6_K",
    ggml_type: 14,
    block_weights: 256,
    block_bytes: 210,
    quant_words: 32,
    scale_words: 24,
    halves_at: &[208],
    dequantize: |bytes, out| {
        let d = half_at(bytes, 208);
        for (n, weight) in out.iter_mut().enumerate() {
            let (h, t, i) = (n / 128, n / 32 % 4, n % 32);
            let nibble = bytes[h * 64 + t % 2 * 32 + i] >> (t / 2 * 4) & 15;
            let q = nibble | (bytes[128 + h * 32 + i] >> (t * 2) & 3) << 4;
            *weight = d * f32::from(bytes[192 + n / 16] as i8) * (f32::from(q) - 32.0);
        }
    },
};
