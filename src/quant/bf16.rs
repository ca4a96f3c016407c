//! BF16: the upper half of a 32-bit float.

use super::WeightFormat;

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "BF16",
    ggml_type: 30,
    block_weights: 1,
    block_bytes: 2,
    quant_words: 128,
    scale_words: 0,
    halves_at: &[],
    quantize: None,
    dequantize: |bytes, out| out[0] = half::bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
};
