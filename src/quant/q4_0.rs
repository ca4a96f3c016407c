//! Q4_0: 32 weights in 18 bytes: scale `d` (half), then 16 bytes; byte `i` holds weight `i` in its low nibble and weight
//! `i + 16` in its high one; `w = d · (q − 8)` (`ggml-quants.c`, `dequantize_row_q4_0`).

use super::{WeightFormat, half_at, put_half, search};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q4_0",
    ggml_type: 2,
    block_weights: 32,
    block_bytes: 18,
    quant_words: 32,
    scale_words: 8,
    halves_at: &[0],
    quantize: Some(quantize),
    dequantize: |bytes, out| {
        let d = half_at(bytes, 0);
        for i in 0..16 {
            let byte = bytes[2 + i];
            out[i] = d * (f32::from(byte & 15) - 8.0);
            out[i + 16] = d * (f32::from(byte >> 4) - 8.0);
        }
    },
};

/// The weight of the largest magnitude becomes −8.
fn quantize(weights: &[f32], out: &mut [u8]) {
    let (d, codes) = search::from_largest::<8>(weights);
    put_half(out, 0, d);
    for i in 0..16 {
        out[2 + i] = codes[i] | codes[i + 16] << 4;
    }
}
