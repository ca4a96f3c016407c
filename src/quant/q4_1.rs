//! Q4_1: 32 weights in 20 bytes: scale `d` and minimum `m` (halves), then 16 bytes; byte `i` holds weight `i` in its low
//! nibble and weight `i + 16` in its high one; `w = d · q + m` (`ggml-quants.c`, `dequantize_row_q4_1`).

use super::{WeightFormat, half_at};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q4_1",
    ggml_type: 3,
    block_weights: 32,
    block_bytes: 20,
    quant_words: 32,
    scale_words: 8,
    halves_at: &[0, 2],
    quantize: None,
    dequantize: |bytes, out| {
        let (d, m) = (half_at(bytes, 0), half_at(bytes, 2));
        for i in 0..16 {
            let byte = bytes[4 + i];
            out[i] = d * f32::from(byte & 15) + m;
            out[i + 16] = d * f32::from(byte >> 4) + m;
        }
    },
};
