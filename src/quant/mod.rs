//! Weight formats: one file each, and the list. A format says how its blocks are laid out and what they mean in f32.

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
    /// The format of a ggml type number, or `None` where doran has none for it (`ggml.h`, `enum ggml_type`).
    pub fn from_ggml(ggml_type: u32) -> Option<Self> {
        Some(match ggml_type {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// Weights in one stored block.
    pub fn block_weights(self) -> u64 {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q8_0 => 32,
        }
    }

    /// Bytes of one stored block.
    pub fn block_bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q8_0 => 34,
        }
    }
}
