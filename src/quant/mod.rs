//! Weight formats: one file each, and the list.
//!
//! A format says how its stored blocks are laid out, what they mean in f32 (the independent reference for every kernel),
//! and how many words its repacked form takes on the GPU. Kernels see sub-blocks of 32 weights only, through three WGSL
//! functions in `shaders/quant/<name>.wgsl`: `unpack`, `prepare` and `dot_prepared`; `repack` brings stored bytes there.

mod bf16;
mod f16;
mod f32;
mod q4_0;
mod q4_1;
mod q8_0;

use crate::error::{Error, Result};

/// Weights in one sub-block, the unit that kernels read.
pub const SUB_BLOCK: u64 = 32;

/// What one file in this room states about its format.
pub struct WeightFormat {
    /// ggml's name, also the stem of the WGSL file in lower case.
    pub name: &'static str,
    /// The type number in a GGUF file (`ggml.h`, `enum ggml_type`).
    pub ggml_type: u32,
    /// Weights in one stored block.
    pub block_weights: u64,
    /// Bytes of one stored block.
    pub block_bytes: u64,
    /// `vec4<u32>`s that 32 weights take on the GPU.
    pub quant_vec4s: u32,
    /// Whether each sub-block has a word of scales on the GPU (two halves: scale, and minimum where the format has one).
    pub has_scales: bool,
    /// One stored block → its weights in f32. `bytes: [block_bytes]`, `out: [block_weights]`.
    pub dequantize: fn(bytes: &[u8], out: &mut [f32]),
}

/// The weight formats that doran computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "the names are ggml's, known to everyone who picks a file")]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// IEEE half floats.
    F16,
    /// bfloat16.
    BF16,
    /// 4-bit, 32 a block, one scale.
    Q4_0,
    /// 4-bit, 32 a block, scale and minimum.
    Q4_1,
    /// 8-bit, 32 a block, one scale.
    Q8_0,
}

impl Format {
    /// Every format: tests run over this list.
    pub const ALL: [Self; 6] = [Self::F32, Self::F16, Self::BF16, Self::Q4_0, Self::Q4_1, Self::Q8_0];

    /// What the format's own file states.
    pub fn spec(self) -> &'static WeightFormat {
        match self {
            Self::F32 => &f32::SPEC,
            Self::F16 => &f16::SPEC,
            Self::BF16 => &bf16::SPEC,
            Self::Q4_0 => &q4_0::SPEC,
            Self::Q4_1 => &q4_1::SPEC,
            Self::Q8_0 => &q8_0::SPEC,
        }
    }

    /// The format of a ggml type number, or `None` where doran has none for it.
    pub fn from_ggml(ggml_type: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.spec().ggml_type == ggml_type)
    }

    /// The WGSL file for a QUANT slot.
    pub fn shader(self) -> &'static str {
        match self {
            Self::F32 => "quant/f32",
            Self::F16 => "quant/f16",
            Self::BF16 => "quant/bf16",
            Self::Q4_0 => "quant/q4_0",
            Self::Q4_1 => "quant/q4_1",
            Self::Q8_0 => "quant/q8_0",
        }
    }

    /// Weights in one stored block.
    pub fn block_weights(self) -> u64 {
        self.spec().block_weights
    }

    /// Bytes of one stored block.
    pub fn block_bytes(self) -> u64 {
        self.spec().block_bytes
    }

    /// Whether weights are stored one by one, as floats.
    pub fn is_float(self) -> bool {
        self.block_weights() == 1
    }

    /// Bytes of one stored row of `cols` weights.
    ///
    /// # Errors
    /// `bad_file` if `cols` is not a whole number of blocks.
    pub fn row_bytes(self, cols: u64) -> Result<u64> {
        let spec = self.spec();
        if !cols.is_multiple_of(spec.block_weights) {
            return Err(Error::bad_file(format!(
                "a row of {cols} weights is not a whole number of {} blocks of {}",
                spec.name, spec.block_weights
            )));
        }
        Ok(cols / spec.block_weights * spec.block_bytes)
    }

    /// Sub-blocks of 32 that one row of `cols` weights takes on the GPU; the last may be padded with zeros.
    pub fn sub_blocks(self, cols: u64) -> u64 {
        cols.div_ceil(SUB_BLOCK)
    }

    /// Bytes of one repacked row: (quants, scales).
    pub fn gpu_row_bytes(self, cols: u64) -> (u64, u64) {
        let (spec, blocks) = (self.spec(), self.sub_blocks(cols));
        (blocks * u64::from(spec.quant_vec4s) * 16, if spec.has_scales { blocks * 4 } else { 0 })
    }

    /// Stored bytes of whole blocks → f32. `out` has exactly the weights of `bytes`.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        let spec = self.spec();
        let blocks = bytes.chunks_exact(spec.block_bytes as usize);
        for (block, weights) in blocks.zip(out.chunks_exact_mut(spec.block_weights as usize)) {
            (spec.dequantize)(block, weights);
        }
    }
}

/// The half float at byte `at`.
fn half_at(bytes: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}
