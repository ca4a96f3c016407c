//! Q6_K: 256 weights in 210 bytes: 128 of nibbles, 64 of the upper two bits, 16 signed scales, one for 16 weights, and `d`
//! (half). Of sub-block `s = 4 h + t`, weight `i` has nibble `t / 2` of byte `64 h + 32 · (t % 2) + i` and bits `2 t` and
//! `2 t + 1` of byte `32 h + i`; `w = d · scale · (q − 32)` (`ggml-quants.c`, `dequantize_row_q6_K`).

use super::{WeightFormat, half_at, inverse, put_half, search};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "Q6_K",
    ggml_type: 14,
    block_weights: 256,
    block_bytes: 210,
    quant_words: 32,
    scale_words: 24,
    halves_at: &[208],
    quantize: Some(quantize),
    dequantize: |bytes, out| {
        let d = half_at(bytes, 208);
        for (n, weight) in out.iter_mut().enumerate() {
            let (h, t, i) = (n / 128, n / 32 % 4, n % 32);
            let nibble = bytes[h * 64 + t % 2 * 32 + i] >> (t / 2 * 4) & 15;
            let q = nibble | (bytes[128 + h * 32 + i] >> (t * 2) & 3) << 4;
            *weight = d * f32::from(bytes[192 + n / 16] as i8) * (f32::from(q) - 32.0);
        }
    },
};

/// Each sixteen's scale by [`search::scale`], then the scales to eight bits, the largest as −128, then the codes anew.
fn quantize(weights: &[f32], out: &mut [u8]) {
    out.fill(0);
    let mut scales = [0.0f32; 16];
    for (sixteen, scale) in weights.chunks_exact(16).zip(&mut scales) {
        *scale = search::scale::<32>(sixteen);
    }
    let largest = search::largest(&scales);
    let d = largest / -128.0;
    let per_d = inverse(d);
    let d = put_half(out, 208, d);
    for (n, sixteen) in weights.chunks_exact(16).enumerate() {
        let scale = (scales[n] * per_d).round().clamp(-128.0, 127.0) as i8;
        out[192 + n] = scale as u8;
        let per_scale = inverse(d * f32::from(scale));
        for (i, w) in sixteen.iter().enumerate() {
            let code = (search::nearest((w * per_scale).clamp(-32.0, 31.0)) + 32.0) as u8;
            let at = n * 16 + i;
            let (h, t, i) = (at / 128, at / 32 % 4, at % 32);
            out[h * 64 + t % 2 * 32 + i] |= (code & 15) << (t / 2 * 4);
            out[128 + h * 32 + i] |= (code >> 4) << (t * 2);
        }
    }
}
