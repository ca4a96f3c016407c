//! F32: one little-endian 32-bit float a weight.

use super::WeightFormat;

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "F32",
    ggml_type: 0,
    block_weights: 1,
    block_bytes: 4,
    quant_words: 256,
    scale_words: 0,
    halves_at: &[],
    quantize: None,
    dequantize: |bytes, out| out[0] = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
};
