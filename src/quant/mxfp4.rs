//! MXFP4: 32 weights in 17 bytes: an exponent `e`, then nibbles as Q4_0 has them; `w = 2^(e − 128) · VALUES[q]`
//! (`ggml-quants.c`, `dequantize_row_mxfp4`; OCP Microscaling Formats 1.0, § 5.3.3). safetensors files have codes and exponents
//! in two tensors, and neighbours in a byte (Hugging Face `integrations/mxfp4.py`).

use super::{WeightFormat, iq4_nl};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "MXFP4",
    ggml_type: 39,
    block_weights: 32,
    block_bytes: 17,
    quant_words: 32,
    scale_words: 8,
    halves_at: &[],
    quantize: None,
    dequantize: |bytes, out| iq4_nl::look_up(&VALUES, half_power(bytes[0]), &bytes[1..], out),
};

/// The codes alone: byte `i` has weight `2 i` low and weight `2 i + 1` high. As values they are doubled.
pub(super) const CODES: WeightFormat = WeightFormat {
    name: "MXFP4_CODES",
    ggml_type: u32::MAX,
    block_bytes: 16,
    dequantize: |bytes, out| {
        for (i, weight) in out.iter_mut().enumerate() {
            *weight = f32::from(VALUES[usize::from(bytes[i / 2] >> (i % 2 * 4) & 15)]);
        }
    },
    ..SPEC
};

/// The exponents alone. As values they are factors on those of [`CODES`].
pub(super) const SCALES: WeightFormat = WeightFormat {
    name: "MXFP4_SCALES",
    ggml_type: u32::MAX,
    block_bytes: 1,
    dequantize: |bytes, out| out.fill(half_power(bytes[0])),
    ..SPEC
};

/// `2^(exponent − 128)`.
fn half_power(exponent: u8) -> f32 {
    // The two least are subnormal: their bits have no exponent.
    f32::from_bits(match exponent {
        e @ 0..2 => 0x0020_0000 << e,
        e => (u32::from(e) - 1) << 23,
    })
}

/// What the codes stand for: E2M1's values, doubled to be whole.
const VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
