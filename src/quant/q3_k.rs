//! Q3_K: 256 weights in 110 bytes: 32 of third bits (bit `s` of byte `i`: weight `i` of sub-block `s`), 64 of the lower two
//! bits as Q2_K has them, 12 of six-bit scales, one for 16 weights, and `d` (half); `w = d · (scale − 32) · (q − 4)`
//! (`ggml-quants.c`, `dequantize_row_q3_K`).

use super::{WeightFormat, half_at, q2_k};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q3_K",
    ggml_type: 11,
    block_weights: 256,
    block_bytes: 110,
    quant_words: 16,
    scale_words: 12,
    halves_at: &[108],
    quantize: None,
    dequantize: |bytes, out| {
        let d = half_at(bytes, 108);
        for (n, weight) in out.iter_mut().enumerate() {
            let q = q2_k::code(&bytes[32..], n) | (bytes[n % 32] >> (n / 32) & 1) << 2;
            // Scale k: a nibble of byte k % 8, and two bits of byte 8 + k % 4.
            let (k, at) = (n / 16, |i: usize| bytes[96 + i]);
            let scale = at(k % 8) >> (k / 8 * 4) & 15 | (at(8 + k % 4) >> (k / 4 * 2) & 3) << 4;
            *weight = d * (f32::from(scale) - 32.0) * (f32::from(q) - 4.0);
        }
    },
};
