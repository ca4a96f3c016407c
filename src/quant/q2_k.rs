//! Q2_K: 256 weights in 84 bytes: 16 of scales (low nibble) and minima (high), one of each for 16 weights, 64 of codes, `d` and
//! `dmin` (halves); `w = d · scale · q − dmin · minimum` (`ggml-quants.c`, `dequantize_row_q2_K`).

use super::{WeightFormat, half_at};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q2_K",
    ggml_type: 10,
    block_weights: 256,
    block_bytes: 84,
    quant_words: 16,
    scale_words: 5,
    halves_at: &[80, 82],
    quantize: None,
    dequantize: |bytes, out| {
        let (d, dmin) = (half_at(bytes, 80), half_at(bytes, 82));
        for (n, weight) in out.iter_mut().enumerate() {
            let scales = bytes[n / 16];
            let (d, m) = (d * f32::from(scales & 15), dmin * f32::from(scales >> 4));
            *weight = d * f32::from(code(&bytes[16..], n)) - m;
        }
    },
};

/// Code `n` of 256 two-bit ones in 64 bytes: of sub-block `4 h + t`, weight `i` has bits `2 t` and `2 t + 1` of byte `32 h + i`.
pub(super) fn code(bytes: &[u8], n: usize) -> u8 {
    bytes[n / 128 * 32 + n % 32] >> (n / 32 % 4 * 2) & 3
}
