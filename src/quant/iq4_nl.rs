//! IQ4_NL: 32 weights in 18 bytes: scale `d` (half), then nibbles as Q4_0 has them; `w = d · VALUES[q]` (`ggml-quants.c`,
//! `dequantize_row_iq4_nl`).

use super::{WeightFormat, half_at};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "IQ4_NL",
    ggml_type: 20,
    block_weights: 32,
    block_bytes: 18,
    quant_words: 32,
    scale_words: 8,
    halves_at: &[0],
    quantize: None,
    dequantize: |bytes, out| look_up(&VALUES, half_at(bytes, 0), &bytes[2..], out),
};

/// What the codes stand for (`ggml-common.h`, `kvalues_iq4nl`).
pub(super) const VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// 32 weights whose codes are 16 bytes of nibbles.
pub(super) fn look_up(values: &[i8; 16], d: f32, nibbles: &[u8], out: &mut [f32]) {
    for (i, weight) in out.iter_mut().enumerate() {
        let q = nibbles[i % 16] >> (i / 16 * 4) & 15;
        *weight = d * f32::from(values[usize::from(q)]);
    }
}
