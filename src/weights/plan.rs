//! Cuts a file into chunks. The cuts are made once, when the header is known, and kept in the manifest.
//!
//! Invariants: chunks cover the file without gaps or overlap; every chunk starts at a multiple of 4 bytes (what WebGPU
//! asks of copies); a cut inside a tensor falls between two of its quantisation blocks. The header is covered too, so
//! that a stored model needs no network.

use super::manifest::ChunkEntry;
use crate::{Error, Result};

/// Chunks when the caller does not say: big enough for a disk's pace, small enough for phones.
pub const DEFAULT_CHUNK_BYTES: u64 = 8 << 20;

/// Most chunks of a file: a server may claim any length, and each chunk takes room in the manifest.
const CHUNKS_MAX: u64 = 1 << 17;

/// WebGPU copies in units of 4 bytes (WebGPU § 21.2.2 `writeBuffer`).
const ALIGN_BYTES: u64 = 4;

/// Where a tensor's bytes are, as far as cutting is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorSpan {
    /// Which of the model's files.
    pub file: usize,
    /// First byte in that file.
    pub offset: u64,
    /// Length in bytes.
    pub n_bytes: u64,
    /// Bytes of one quantisation block, which no cut may split.
    pub block_bytes: u64,
}

impl TensorSpan {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.n_bytes)
    }

    /// Whether a cut at `at` is inside this tensor.
    fn holds(&self, at: u64) -> bool {
        self.offset < at && at < self.end()
    }

    fn allows(&self, at: u64) -> bool {
        !self.holds(at) || (at - self.offset).is_multiple_of(self.block_bytes)
    }
}

/// The chunks of a file of `size` bytes, each at most `chunk_bytes` long. Spans of other files are ignored.
///
/// # Errors
/// `BadArgument` if `chunk_bytes` is absurd; `BadFile` if a tensor ends beyond the file, tensors overlap, or no cut is
/// possible because tensors are not aligned.
pub fn cut(size: u64, file: usize, spans: &[TensorSpan], chunk_bytes: u64) -> Result<Vec<ChunkEntry>> {
    if !(256..=256 << 20).contains(&chunk_bytes) {
        return Err(Error::bad_argument("chunkBytes", "chunks are 256 bytes to 256 MiB long"));
    }
    if size / chunk_bytes > CHUNKS_MAX {
        return Err(Error::bad_file(format!(
            "the file claims to be {size} bytes long; that is more than can be loaded"
        )));
    }
    let spans = sorted(size, file, spans)?;
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < size {
        let end = if size - start <= chunk_bytes { size } else { cut_before(start, start + chunk_bytes, &spans)? };
        chunks.push(ChunkEntry { start, len: end - start, sha256: None, xxh64: None, stored: false });
        start = end;
    }
    Ok(chunks)
}

/// Whether `chunks`, made earlier, still cover the file and respect these tensors.
pub fn fits(chunks: &[ChunkEntry], size: u64, file: usize, spans: &[TensorSpan]) -> bool {
    let Ok(spans) = sorted(size, file, spans) else { return false };
    let mut start = 0;
    for chunk in chunks {
        let allowed = match at(&spans, start) {
            Some(span) => span.allows(start),
            None => true,
        };
        if chunk.start != start || chunk.len == 0 || !start.is_multiple_of(ALIGN_BYTES) || !allowed {
            return false;
        }
        let Some(end) = start.checked_add(chunk.len) else { return false };
        start = end;
    }
    start == size
}

/// The file's tensors by offset, checked to lie in the file and apart from each other.
fn sorted(size: u64, file: usize, spans: &[TensorSpan]) -> Result<Vec<TensorSpan>> {
    let mut spans: Vec<_> = spans.iter().filter(|span| span.file == file && span.n_bytes > 0).copied().collect();
    spans.sort_unstable_by_key(|span| span.offset);
    if spans.iter().any(|span| span.offset.checked_add(span.n_bytes).is_none_or(|end| end > size)) {
        return Err(Error::bad_file("a tensor ends beyond its file"));
    }
    if spans.windows(2).any(|pair| pair[0].end() > pair[1].offset) {
        return Err(Error::bad_file("two tensors overlap"));
    }
    if spans.iter().any(|span| span.block_bytes == 0) {
        return Err(Error::internal("a weight format with blocks of 0 bytes"));
    }
    Ok(spans)
}

/// The last allowed cut in `start + 1 ..= limit`.
fn cut_before(start: u64, limit: u64, spans: &[TensorSpan]) -> Result<u64> {
    let mut cut = limit - limit % ALIGN_BYTES;
    while cut > start {
        let Some(span) = at(spans, cut).filter(|span| !span.allows(cut)) else { return Ok(cut) };
        // Block boundaries repeat modulo 4 after at most 4 blocks, so the first of these that is aligned is the last one.
        let block = (cut - span.offset) / span.block_bytes;
        let aligned = (0..ALIGN_BYTES.min(block)).map(|back| span.offset + (block - back) * span.block_bytes);
        cut = match aligned.into_iter().find(|at| at.is_multiple_of(ALIGN_BYTES)) {
            Some(aligned) => aligned,
            None => span.offset - span.offset % ALIGN_BYTES,
        };
    }
    Err(Error::bad_file("the tensors are not aligned to 4 bytes, and cannot be read in parts"))
}

/// The tensor that a cut would be inside of.
fn at(spans: &[TensorSpan], cut: u64) -> Option<&TensorSpan> {
    let next = spans.partition_point(|span| span.offset < cut);
    spans[..next].last().filter(|span| span.holds(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: u64, n_bytes: u64, block_bytes: u64) -> TensorSpan {
        TensorSpan { file: 0, offset, n_bytes, block_bytes }
    }

    #[test]
    fn cuts_respect_blocks_and_alignment() {
        let spans = [span(1000, 34 * 501, 34), span(1000 + 34 * 501 + 22, 18 * 999, 18), span(40_000, 2 * 5001, 2)];
        for chunk_bytes in [256, 300, 1000, 1021, 4096, 100_000] {
            let chunks = cut(50_003, 0, &spans, chunk_bytes).expect("these can be cut");
            assert!(fits(&chunks, 50_003, 0, &spans), "{chunk_bytes}");
            assert!(chunks.iter().all(|chunk| chunk.len <= chunk_bytes));
            // No waste: a cut gives up at most 4 blocks and the alignment.
            let shortest = chunks[..chunks.len() - 1].iter().map(|chunk| chunk.len).min();
            assert!(shortest.is_none_or(|len| len + 4 * 34 + 4 > chunk_bytes), "{chunk_bytes}: {shortest:?}");
        }
    }

    #[test]
    fn misaligned_tensors_are_cut_where_that_works() {
        // Offset 2 modulo 4: halves can be cut after an odd number of them, floats never.
        assert!(cut(10_002, 0, &[span(2, 10_000, 2)], 512).is_ok());
        assert!(cut(10_002, 0, &[span(2, 10_000, 4)], 512).is_err());
        assert!(cut(10_002, 0, &[span(9_002, 400, 4)], 512).is_ok());
    }

    #[test]
    fn false_headers_are_refused() {
        assert!(cut(1000, 0, &[span(990, 11, 1)], 512).is_err());
        assert!(cut(1000, 0, &[span(u64::MAX, 11, 1)], 512).is_err());
        assert!(cut(1000, 0, &[span(0, 11, 1), span(10, 11, 1)], 512).is_err());
        assert!(cut(1000, 0, &[], 0).is_err());
        assert!(cut(u64::MAX, 0, &[], 8 << 20).is_err());
        assert_eq!(cut(0, 0, &[], 512).expect("an empty file has no chunks"), []);
    }

    #[test]
    fn other_tensors_do_not_fit_old_cuts() {
        let chunks = cut(10_000, 0, &[span(0, 10_000, 20)], 512).expect("can be cut");
        assert!(fits(&chunks, 10_000, 0, &[span(0, 10_000, 20)]));
        assert!(!fits(&chunks, 10_000, 0, &[span(0, 10_000 / 34 * 34, 34)]));
        assert!(!fits(&chunks, 10_004, 0, &[span(0, 10_000, 20)]));
    }
}
