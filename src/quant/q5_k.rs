//! Q5_K: 256 weights in 176 bytes: as Q4_K, but with 32 bytes of fifth bits before the nibbles: bit `s` of byte `i` belongs to
//! weight `i` of sub-block `s` (`ggml-quants.c`, `dequantize_row_q5_K`).

use super::{WeightFormat, q4_k};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q5_K",
    ggml_type: 13,
    block_weights: 256,
    block_bytes: 176,
    quant_words: 32,
    scale_words: 12,
    halves_at: &[0, 2],
    quantize: None,
    dequantize: |bytes, out| {
        for (s, weights) in out.chunks_exact_mut(32).enumerate() {
            let (d, m) = q4_k::sub_scales(bytes, s);
            for (i, weight) in weights.iter_mut().enumerate() {
                let nibble = bytes[48 + s / 2 * 32 + i] >> (s % 2 * 4) & 15;
                *weight = d * f32::from(nibble | (bytes[16 + i] >> s & 1) << 4) - m;
            }
        }
    },
};
