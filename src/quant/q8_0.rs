//! Q8_0: 32 weights in 34 bytes: scale `d` (half), then 32 signed bytes; `w = d · q` (`ggml-quants.c`,
//! `dequantize_row_q8_0`).

use super::{WeightFormat, half_at, inverse, put_half};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q8_0",
    ggml_type: 8,
    block_weights: 32,
    block_bytes: 34,
    quant_words: 64,
    scale_words: 8,
    halves_at: &[0],
    quantize: Some(quantize),
    dequantize: |bytes, out| {
        let d = half_at(bytes, 0);
        for i in 0..32 {
            out[i] = d * f32::from(bytes[2 + i] as i8);
        }
    },
};

/// The largest magnitude becomes ±127.
fn quantize(weights: &[f32], out: &mut [u8]) {
    let d = weights.iter().fold(0.0f32, |most, w| most.max(w.abs())) / 127.0;
    let per_d = inverse(d);
    put_half(out, 0, d);
    for (code, w) in out[2..].iter_mut().zip(weights) {
        *code = (w * per_d).round() as i8 as u8;
    }
}
