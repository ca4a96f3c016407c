//! IQ4_XS: 256 weights in 136 bytes: `d` (half), six-bit scales, one for 32 weights (their upper two bits in 2 bytes, their lower
//! four in 4), then the nibbles of eight sub-blocks as IQ4_NL has them; `w = d · (scale − 32) · VALUES[q]` (`ggml-quants.c`,
//! `dequantize_row_iq4_xs`). On the GPU it is IQ4_NL.

use super::{WeightFormat, half_at, iq4_nl};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "IQ4_XS",
    ggml_type: 23,
    block_weights: 256,
    block_bytes: 136,
    quant_words: 32,
    scale_words: 8,
    halves_at: &[0],
    quantize: None,
    dequantize: |bytes, out| {
        for (s, weights) in out.chunks_exact_mut(32).enumerate() {
            let scale = bytes[4 + s / 2] >> (s % 2 * 4) & 15 | (bytes[2 + s / 4] >> (s % 4 * 2) & 3) << 4;
            let d = half_at(bytes, 0) * (f32::from(scale) - 32.0);
            iq4_nl::look_up(&iq4_nl::VALUES, d, &bytes[8 + s * 16..], weights);
        }
    },
};
