//! Q5_0: 32 weights in 22 bytes: scale `d` (half), 32 bits, then 16 bytes of nibbles as Q4_0 has them; bit `i` is the fifth of
//! weight `i`; `w = d · (q − 16)` (`ggml-quants.c`, `dequantize_row_q5_0`).

use super::{WeightFormat, half_at, put_half, search};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q5_0",
    ggml_type: 6,
    block_weights: 32,
    block_bytes: 22,
    quant_words: 32,
    scale_words: 16,
    halves_at: &[0],
    quantize: Some(quantize),
    dequantize: |bytes, out| {
        let d = half_at(bytes, 0);
        for (i, weight) in out.iter_mut().enumerate() {
            *weight = d * (f32::from(code(&bytes[2..], i)) - 16.0);
        }
    },
};

/// Code `i` of a block of five-bit ones: 4 bytes of fifth bits, then 16 of nibbles.
pub(super) fn code(bytes: &[u8], i: usize) -> u8 {
    let nibble = bytes[4 + i % 16] >> (i / 16 * 4) & 15;
    nibble | (bytes[i / 8] >> (i % 8) & 1) << 4
}

/// The weight of the largest magnitude becomes −16.
fn quantize(weights: &[f32], out: &mut [u8]) {
    let (d, codes) = search::from_largest::<16>(weights);
    put_half(out, 0, d);
    out[2..6].fill(0);
    for i in 0..32 {
        out[2 + i / 8] |= (codes[i] >> 4) << (i % 8);
    }
    for i in 0..16 {
        out[6 + i] = codes[i] & 15 | (codes[i + 16] & 15) << 4;
    }
}
