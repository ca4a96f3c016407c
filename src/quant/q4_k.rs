//! Q4_K: 256 weights in 144 bytes: scale `d` and minimum `dmin` (halves), 12 bytes of six-bit scales and minima, one of each
//! for 32 weights, then 128 bytes. Sub-block `s` has the low nibbles (even `s`) or the high ones (odd) of bytes
//! `32 · (s / 2)` to `+ 31`; `w = d · scale · q − dmin · minimum` (`ggml-quants.c`, `dequantize_row_q4_K`).

use super::{WeightFormat, half_at, inverse, put_half, search};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q4_K",
    ggml_type: 12,
    block_weights: 256,
    block_bytes: 144,
    quant_words: 32,
    scale_words: 4,
    halves_at: &[0, 2],
    quantize: Some(quantize),
    dequantize: |bytes, out| {
        for (s, weights) in out.chunks_exact_mut(32).enumerate() {
            let (d, m) = sub_scales(bytes, s);
            for (i, weight) in weights.iter_mut().enumerate() {
                let q = bytes[16 + s / 2 * 32 + i] >> (s % 2 * 4) & 15;
                *weight = d * f32::from(q) - m;
            }
        }
    },
};

/// Scale and minimum of sub-block `s`, at the start of a block. The first four pairs are the low six bits of bytes 4 to 11; of
/// the others, bytes 12 to 15 have the low four bits, and the top two bits of bytes 4 to 11 the rest.
pub(super) fn sub_scales(bytes: &[u8], s: usize) -> (f32, f32) {
    let at = |i: usize| bytes[4 + i];
    let (scale, minimum) = match s {
        0..4 => (at(s) & 63, at(s + 4) & 63),
        _ => (at(s + 4) & 15 | at(s - 4) >> 6 << 4, at(s + 4) >> 4 | at(s) >> 6 << 4),
    };
    (half_at(bytes, 0) * f32::from(scale), half_at(bytes, 2) * f32::from(minimum))
}

/// Each sub-block's scale and minimum by [`search::scale_and_minimum`], then both to six bits, then the codes anew.
fn quantize(weights: &[f32], out: &mut [u8]) {
    out.fill(0);
    let mut found = [(0.0f32, 0.0f32); 8];
    for (sub_block, found) in weights.chunks_exact(32).zip(&mut found) {
        *found = search::scale_and_minimum::<15>(sub_block);
    }
    let most = |of: fn(&(f32, f32)) -> f32| found.iter().map(of).fold(0.0f32, f32::max);
    let (d, dmin) = (most(|f| f.0) / 63.0, most(|f| f.1) / 63.0);
    let (per_d, per_dmin) = (inverse(d), inverse(dmin));
    put_half(out, 0, d);
    put_half(out, 2, dmin);
    for (s, (scale, minimum)) in found.into_iter().enumerate() {
        let six_bits = |value: f32| value.round().clamp(0.0, 63.0) as u8;
        let (scale, minimum) = (six_bits(scale * per_d), six_bits(minimum * per_dmin));
        if s < 4 {
            out[4 + s] |= scale;
            out[8 + s] |= minimum;
        } else {
            out[8 + s] = scale & 15 | (minimum & 15) << 4;
            out[s] |= (scale >> 4) << 6;
            out[4 + s] |= (minimum >> 4) << 6;
        }
    }
    for (s, sub_block) in weights.chunks_exact(32).enumerate() {
        let (scale, minimum) = sub_scales(out, s);
        let per_scale = inverse(scale);
        for (i, w) in sub_block.iter().enumerate() {
            let code = search::nearest(((w + minimum) * per_scale).clamp(0.0, 15.0)) as u8;
            out[16 + s / 2 * 32 + i] |= code << (s % 2 * 4);
        }
    }
}
