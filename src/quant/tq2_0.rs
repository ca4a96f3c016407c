//! TQ2_0: 256 weights in 66 bytes: 64 of codes as Q2_K has them, then `d` (half); `w = d · (q − 1)` (`ggml-quants.c`,
//! `dequantize_row_tq2_0`). On the GPU it is Q2_K with scales and minima of one.

use super::{WeightFormat, half_at, q2_k};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "TQ2_0",
    ggml_type: 35,
    block_weights: 256,
    block_bytes: 66,
    quant_words: 16,
    scale_words: 5,
    halves_at: &[64],
    quantize: None,
    dequantize: |bytes, out| {
        let d = half_at(bytes, 64);
        for (n, weight) in out.iter_mut().enumerate() {
            *weight = d * (f32::from(q2_k::code(bytes, n)) - 1.0);
        }
    },
};
