//! MXFP4: 32 weights in 17 bytes: an exponent `e`, then nibbles as Q4_0 has them; `w = 2^(e − 128) · VALUES[q]`
//! (`ggml-quants.c`, `dequantize_row_mxfp4`; OCP Microscaling Formats 1.0, § 5.3.3).

use super::{WeightFormat, iq4_nl};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "MXFP4",
    ggml_type: 39,
    block_weights: 32,
    block_bytes: 17,
    quant_words: 32,
    scale_words: 8,
    halves_at: &[],
    dequantize: |bytes, out| {
        // The two least are subnormal: their bits have no exponent.
        let d = f32::from_bits(match bytes[0] {
            e @ 0..2 => 0x0020_0000 << e,
            e => (u32::from(e) - 1) << 23,
        });
        iq4_nl::look_up(&VALUES, d, &bytes[1..], out);
    },
};

/// What the codes stand for: E2M1's values, doubled to be whole.
const VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
