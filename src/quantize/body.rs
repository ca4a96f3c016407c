//! Bytes of a quantised file, made as those of the real one come. A window passes through the heap at a time.

use std::ops::Range;
use std::rc::Rc;

use super::layout::{FileLayout, Segment};
use crate::error::{Error, Result};
use crate::quant::Format;
use crate::weights::{ByteSource, Bytes, Tap};

/// Bytes of the real file that are in the heap at once.
const WINDOW_BYTES: u64 = 256 << 10;

/// The most weights of a block.
const BLOCK_WEIGHTS_MAX: usize = 256;

/// Bytes `at..end` of a quantised file, to be read in order.
pub struct Quantizing<S: ByteSource> {
    tap: Tap<S>,
    layout: Rc<FileLayout>,
    at: u64,
    end: u64,
    /// Where requests end.
    real_end: u64,
    /// The real bytes of the block that holds byte `at`, as far as they have come.
    begun: Vec<u8>,
}

impl<S: ByteSource> Quantizing<S> {
    pub(super) fn new(tap: Tap<S>, layout: Rc<FileLayout>, range: Range<u64>) -> Self {
        let real_end = layout.real_end(range.end);
        Self { tap, layout, at: range.start, end: range.end, real_end, begun: Vec::new() }
    }

    pub(super) async fn next(&mut self) -> Result<Option<S::Bytes>> {
        while self.at < self.end {
            let layout = Rc::clone(&self.layout);
            let piece = match layout.segment(self.at) {
                None => {
                    let until = self.end.min(layout.header.len() as u64) as usize;
                    let rest = layout.header.get(self.at as usize..until);
                    Some(S::Bytes::from_vec(
                        rest.ok_or_else(|| Error::internal("a gap in a quantised file"))?.to_vec(),
                    )?)
                }
                Some(segment) => match segment.change {
                    None => Some(self.copy(segment).await?),
                    Some(change) => self.quantize(segment, change).await?,
                },
            };
            if let Some(piece) = piece {
                self.at += piece.len();
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The next bytes of a tensor that stays as it is.
    async fn copy(&mut self, segment: &Segment) -> Result<S::Bytes> {
        let pos = segment.real.start + (self.at - segment.bytes.start);
        let limit = segment.real.end.min(pos + (self.end - self.at));
        self.real(pos, limit).await
    }

    /// The next bytes of a quantised tensor; `None` where the real bytes that came do not fill a block.
    async fn quantize(&mut self, segment: &Segment, change: (Format, Format)) -> Result<Option<S::Bytes>> {
        let (real_bytes, block_bytes, n_blocks) = segment.blocks(change);
        let within = self.at - segment.bytes.start;
        let (block, skip) = (within / block_bytes, within % block_bytes);
        let mut out = Vec::new();
        if block == n_blocks {
            // Padding.
            out.resize((segment.bytes.end - segment.bytes.start - n_blocks * block_bytes) as usize, 0);
        } else {
            let pos = segment.real.start + block * real_bytes + self.begun.len() as u64;
            let window = WINDOW_BYTES.next_multiple_of(real_bytes) - self.begun.len() as u64;
            let limit = segment.real.end.min(self.real_end).min(pos + window);
            let piece = self.real(pos, limit).await?;
            let before = self.begun.len();
            self.begun.resize(before + piece.len() as usize, 0);
            piece.copy_to(&mut self.begun[before..]);
            let whole = self.begun.len() / real_bytes as usize;
            out.resize(whole * block_bytes as usize, 0);
            let blocks = self.begun.chunks_exact(real_bytes as usize).zip(out.chunks_exact_mut(block_bytes as usize));
            for (from, to) in blocks {
                if !change.0.is_finite(from) {
                    return Err(Error::non_finite_weights(&segment.name));
                }
                quantize_block(change, from, to)
                    .map_err(|error| error.during(&segment.name).with("tensor", segment.name.as_str()))?;
            }
            self.begun.drain(..whole * real_bytes as usize);
        }
        out.drain(..out.len().min(skip as usize));
        out.truncate((self.end - self.at) as usize);
        if out.is_empty() { Ok(None) } else { S::Bytes::from_vec(out).map(Some) }
    }

    /// What comes next of the real file's bytes `pos..limit`.
    async fn real(&mut self, pos: u64, limit: u64) -> Result<S::Bytes> {
        let piece = self.tap.next(pos, limit, self.real_end).await?;
        piece.ok_or_else(|| Error::internal(format!("nothing is read of bytes {pos} to {limit} of a file")))
    }
}

/// One block of the real file's floats → one block.
fn quantize_block((from, to): (Format, Format), bytes: &[u8], out: &mut [u8]) -> Result<()> {
    let mut weights = [0.0; BLOCK_WEIGHTS_MAX];
    let weights = &mut weights[..to.block_weights() as usize];
    match from {
        // The common ones without a call a weight.
        Format::F16 => {
            for (weight, bytes) in weights.iter_mut().zip(bytes.chunks_exact(2)) {
                *weight = half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
            }
        }
        Format::BF16 => {
            for (weight, bytes) in weights.iter_mut().zip(bytes.chunks_exact(2)) {
                *weight = half::bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
            }
        }
        _ => from.dequantize(bytes, weights),
    }
    to.quantize(weights, out)
}
