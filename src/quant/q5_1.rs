//! Q5_1: 32 weights in 24 bytes: scale `d` and minimum `m` (halves), then codes as Q5_0 has them; `w = d · q + m`
//! (`ggml-quants.c`, `dequantize_row_q5_1`).

use super::{WeightFormat, half_at, q5_0};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q5_1",
    ggml_type: 7,
    block_weights: 32,
    block_bytes: 24,
    quant_words: 32,
    scale_words: 16,
    halves_at: &[0, 2],
    quantize: None,
    dequantize: |bytes, out| {
        let (d, m) = (half_at(bytes, 0), half_at(bytes, 2));
        for (i, weight) in out.iter_mut().enumerate() {
            *weight = d * f32::from(q5_0::code(&bytes[4..], i)) + m;
        }
    },
};
