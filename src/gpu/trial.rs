//! Whether the GPU has room. No platform says how much memory is free, so this asks for it and gives it back.

use super::buffer::Usage;
use super::device::Gpu;
use crate::error::{ErrorKind, Result};

/// Bytes of one buffer of a trial: about what a large matrix takes.
const PIECE_BYTES: u64 = 128 << 20;
/// Buffers that are asked for at once; what they find decides whether there is more to ask for.
const PIECES_AT_ONCE: usize = 8;
/// No device has more; it is not asked for.
const MOST_BYTES: u64 = 1 << 40;

impl Gpu {
    /// Whether buffers of `bytes` together find room beside those that are there. They are destroyed at once.
    ///
    /// # Errors
    /// `gpu` if a call was refused; `device_lost`.
    pub async fn has_room(&self, bytes: u64) -> Result<bool> {
        if bytes > MOST_BYTES {
            return Ok(false);
        }
        let piece = PIECE_BYTES.min(self.max_bytes()).max(1);
        let mut left = bytes;
        let mut found = Vec::new();
        while left > 0 {
            let create = || {
                let mut made = Vec::new();
                while left > 0 && made.len() < PIECES_AT_ONCE {
                    made.push(self.create_buffer("trial", left.min(piece), Usage::Storage));
                    left = left.saturating_sub(piece);
                }
                made
            };
            match self.guarded("looking for room", bytes, create).await {
                Ok(made) => found.extend(made),
                Err(error) if error.kind() == ErrorKind::OutOfMemory => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.check()?;
        Ok(true)
    }
}
