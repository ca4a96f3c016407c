//! Weight formats: one file each, and the list.
//!
//! A format says how its stored blocks are laid out, what they mean in f32 (the independent reference for every kernel),
//! and how many words its repacked form takes on the GPU. Kernels see sub-blocks of 32 weights only, through the WGSL
//! functions in `shaders/quant/<name>.wgsl`; `shaders/repack/<name>.wgsl` brings stored bytes there. Formats may share a form.

mod bf16;
mod f16;
mod f32;
mod floats;
mod iq4_nl;
mod iq4_xs;
mod mxfp4;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod search;
mod tq1_0;
mod tq2_0;

pub use self::floats::Floats;
use crate::error::{Error, ErrorKind, Result};

/// Weights in one sub-block, the unit that kernels read.
pub const SUB_BLOCK: u64 = 32;

/// `weights: [block_weights]`, all finite → `out: [block_bytes]`.
pub type QuantizeBlock = fn(weights: &[f32], out: &mut [u8]);

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
    /// Words that 256 weights take on the GPU in the buffer that a row's part of a sub-block is read from as a whole.
    pub quant_words: u32,
    /// The same in the buffer where words of four rows stand together: scales, and what does not fill a `vec4` of a row's own.
    /// Never more than `quant_words`, by which matrices are split.
    pub scale_words: u32,
    /// Where a stored block has half floats (scales and minima), in bytes. The rest of a block may be any bits.
    pub halves_at: &'static [usize],
    /// The weights of one block → the block, to the nearest that the format has, where doran writes the format.
    pub quantize: Option<QuantizeBlock>,
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
    /// 5-bit, 32 a block, one scale.
    Q5_0,
    /// 5-bit, 32 a block, scale and minimum.
    Q5_1,
    /// 8-bit, 32 a block, one scale.
    Q8_0,
    /// 2-bit, 256 a block, scale and minimum for 16.
    Q2_K,
    /// 3-bit, 256 a block, a scale for 16.
    Q3_K,
    /// 4-bit, 256 a block, scale and minimum for 32.
    Q4_K,
    /// 5-bit, 256 a block, scale and minimum for 32.
    Q5_K,
    /// 6-bit, 256 a block, a scale for 16.
    Q6_K,
    /// 4-bit codes of uneven steps, 32 a block, one scale.
    IQ4_NL,
    /// 4-bit codes of uneven steps, 256 a block, a scale for 32.
    IQ4_XS,
    /// 4-bit floats, 32 a block, a power of two for scale.
    MXFP4,
    /// Ternary, five digits a byte, 256 a block, one scale.
    TQ1_0,
    /// Ternary, 2-bit, 256 a block, one scale.
    TQ2_0,
    /// [`Format::MXFP4`]'s codes, of which [`Format::MXFP4_SCALES`] has the scales.
    MXFP4_CODES,
    /// [`Format::MXFP4`]'s scales.
    MXFP4_SCALES,
}

impl Format {
    /// Every format of a whole matrix: tests run over this list.
    pub const ALL: [Self; 18] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
        Self::MXFP4,
        Self::TQ1_0,
        Self::TQ2_0,
    ];

    /// What the format's own file states.
    pub fn spec(self) -> &'static WeightFormat {
        match self {
            Self::F32 => &f32::SPEC,
            Self::F16 => &f16::SPEC,
            Self::BF16 => &bf16::SPEC,
            Self::Q4_0 => &q4_0::SPEC,
            Self::Q4_1 => &q4_1::SPEC,
            Self::Q5_0 => &q5_0::SPEC,
            Self::Q5_1 => &q5_1::SPEC,
            Self::Q8_0 => &q8_0::SPEC,
            Self::Q2_K => &q2_k::SPEC,
            Self::Q3_K => &q3_k::SPEC,
            Self::Q4_K => &q4_k::SPEC,
            Self::Q5_K => &q5_k::SPEC,
            Self::Q6_K => &q6_k::SPEC,
            Self::IQ4_NL => &iq4_nl::SPEC,
            Self::IQ4_XS => &iq4_xs::SPEC,
            Self::MXFP4 => &mxfp4::SPEC,
            Self::TQ1_0 => &tq1_0::SPEC,
            Self::TQ2_0 => &tq2_0::SPEC,
            Self::MXFP4_CODES => &mxfp4::CODES,
            Self::MXFP4_SCALES => &mxfp4::SCALES,
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
            Self::Q5_0 => "quant/q5_0",
            Self::Q5_1 => "quant/q5_1",
            Self::Q8_0 => "quant/q8_0",
            Self::Q2_K => "quant/q2_k",
            Self::Q3_K => "quant/q3_k",
            Self::Q4_K => "quant/q4_k",
            Self::Q5_K => "quant/q5_k",
            Self::Q6_K => "quant/q6_k",
            Self::IQ4_NL => "quant/iq4_nl",
            Self::IQ4_XS => "quant/iq4_xs",
            Self::MXFP4 | Self::MXFP4_CODES | Self::MXFP4_SCALES => "quant/mxfp4",
            Self::TQ1_0 => "quant/tq1_0",
            Self::TQ2_0 => "quant/tq2_0",
        }
    }

    /// The import of [`Self::shader`] that has dot products, for which others may stand in (`shaders/int8/`, `shaders/f16/`); none
    /// where the weights are not small integers.
    pub fn integer_dot(self) -> Option<&'static str> {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q4_K => Some("nibbles_dot"),
            Self::Q5_0 | Self::Q5_1 | Self::Q5_K | Self::Q6_K => Some("codes_dot"),
            Self::Q2_K | Self::Q3_K | Self::TQ1_0 | Self::TQ2_0 => Some("codes_dot"),
            Self::Q8_0 => Some("q8_0_dot"),
            Self::F32 | Self::F16 | Self::BF16 | Self::IQ4_NL | Self::IQ4_XS => None,
            Self::MXFP4 | Self::MXFP4_CODES | Self::MXFP4_SCALES => None,
        }
    }

    /// Sub-blocks whose scales have words in common on the GPU (`shaders/lib/runs.wgsl`); 1 where each has its own.
    pub fn run(self) -> u32 {
        match self {
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::TQ1_0 | Self::TQ2_0 => 8,
            _ => 1,
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

    /// The format of a matrix that is stored so, or of which a part is.
    pub fn whole(self) -> Self {
        match self {
            Self::MXFP4_CODES | Self::MXFP4_SCALES => Self::MXFP4,
            format => format,
        }
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
        // W words of eight sub-blocks are W / 2 bytes of one.
        (blocks * u64::from(spec.quant_words) / 2, blocks * u64::from(spec.scale_words) / 2)
    }

    /// f32 → stored bytes of whole blocks. `bytes` has exactly the blocks of `weights`, which are finite.
    ///
    /// # Errors
    /// `unsupported` for a format that doran does not write; `non_finite_weights` where weights are too large for its half
    /// floats.
    pub fn quantize(self, weights: &[f32], bytes: &mut [u8]) -> Result<()> {
        let spec = self.spec();
        let quantize = spec.quantize.ok_or_else(|| {
            Error::unsupported(spec.name, format!("doran reads {}, but does not write it", spec.name))
        })?;
        let blocks = bytes.chunks_exact_mut(spec.block_bytes as usize);
        for (weights, block) in weights.chunks_exact(spec.block_weights as usize).zip(blocks) {
            quantize(weights, block);
            if spec.halves_at.iter().any(|at| !half_at(block, *at).is_finite()) {
                let message = format!("weights are too large for the half floats of {}", spec.name);
                return Err(Error::new(ErrorKind::NonFiniteWeights, message));
            }
        }
        Ok(())
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

/// Writes a half float at byte `at`, and gives what it has become.
fn put_half(bytes: &mut [u8], at: usize, value: f32) -> f32 {
    let half = half::f16::from_f32(value);
    bytes[at..at + 2].copy_from_slice(&half.to_le_bytes());
    half.to_f32()
}

/// `1 / x`, or 0 for 0.
fn inverse(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { 1.0 / x }
}

/// The half float at byte `at`.
fn half_at(bytes: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}
