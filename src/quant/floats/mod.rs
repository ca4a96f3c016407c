//! The floats in a stored block that may be no numbers: weights themselves, or scales and minima. The rest of a block may be
//! any bits. Kernels look at them while they repack (`shaders/repack.wgsl`), and [`Format::is_finite`] does on the CPU.

use super::Format;

/// One float of a stored block, or two side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floats {
    /// The byte of the block where they begin.
    pub at: usize,
    /// For each, the bits of its exponent in the little-endian word that begins there; the same twice where there is one. A float
    /// with all of them set is NaN or infinite.
    pub exponents: [u32; 2],
}

impl Format {
    /// Where the floats of a stored block are; `None` where it has none.
    pub fn floats(self) -> Option<Floats> {
        let one = |at, exponent| Some(Floats { at, exponents: [exponent; 2] });
        match self {
            Self::F32 => one(0, 0x7f80_0000),
            Self::F16 => one(0, 0x7c00),
            Self::BF16 => one(0, 0x7f80),
            // Of E8M0's exponents, 255 is NaN (OCP Microscaling Formats 1.0, § 5.4.1).
            Self::MXFP4 | Self::MXFP4_SCALES => one(0, 0xff),
            Self::MXFP4_CODES => None,
            _ => match *self.spec().halves_at {
                [at] => one(at, 0x7c00),
                // A scale and, behind it, a minimum.
                [at, ..] => Some(Floats { at, exponents: [0x7c00, 0x7c00_0000] }),
                [] => None,
            },
        }
    }

    /// Whether all floats of these stored blocks are numbers. `bytes` are whole blocks.
    pub fn is_finite(self, bytes: &[u8]) -> bool {
        let Some(Floats { at, exponents }) = self.floats() else { return true };
        bytes.chunks_exact(self.block_bytes() as usize).all(|block| {
            let mut word = [0; 4];
            let here = block[at..].iter().take(4);
            word.iter_mut().zip(here).for_each(|(to, byte)| *to = *byte);
            let word = u32::from_le_bytes(word);
            exponents.iter().all(|exponent| word & exponent != *exponent)
        })
    }
}
