//! F16: one little-endian IEEE half a weight.

use super::{WeightFormat, half_at};

pub(super) const SPEC: WeightFormat = WeightFormat {
    name: "F16",
    ggml_type: 1,
    block_weights: 1,
    block_bytes: 2,
    quant_words: 128,
    scale_words: 0,
    halves_at: &[],
    quantize: None,
    dequantize: |bytes, out| out[0] = half_at(bytes, 0),
};
