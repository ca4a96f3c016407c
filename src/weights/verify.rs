//! Hashes: of each chunk, recorded when it first arrives and checked ever after, and of whole files where the caller
//! knows them.
//!
//! A chunk has two. By its SHA-256 it is the same as another, here or elsewhere: what is fetched again, checked or exported must have
//! it. A load that reads it back wants to know whether the disk kept it, and XXH64 tells that in an eighth of the time.
//!
//! The whole-file hash runs over the chunks in file order while they arrive in any order. Chunks that come early are
//! read back from the store when it is their turn, and no midstate is kept: after an interruption, the load reads every
//! stored chunk anyway, on its way to the GPU.

use std::hash::Hasher as _;

use sha2::{Digest, Sha256};
use twox_hash::XxHash64;

use super::manifest::{ChunkEntry, hex, unhex};
use super::source::Bytes;
use crate::{Error, ErrorKind, Result};

/// Bytes that pass through the (wasm) heap at once while a whole file is hashed.
const WINDOW_BYTES: u64 = 1 << 20;

/// Whether `sha256`, from a manifest, is the hash of `bytes`. A hash that is not known accepts nothing.
///
/// # Errors
/// `Internal` where the platform's digest fails.
pub async fn has_hash<B: Bytes>(bytes: &B, len: u64, sha256: Option<&str>) -> Result<bool> {
    let Some(expected) = sha256.and_then(unhex) else { return Ok(false) };
    Ok(bytes.len() == len && bytes.sha256().await? == expected)
}

/// Whether a chunk that was read back is what was stored.
///
/// # Errors
/// As [`has_hash`].
pub async fn is_kept<B: Bytes>(bytes: &B, chunk: &ChunkEntry) -> Result<bool> {
    match &chunk.xxh64 {
        Some(expected) => Ok(bytes.len() == chunk.len && xxh64(bytes) == *expected),
        None => has_hash(bytes, chunk.len, chunk.sha256.as_deref()).await,
    }
}

/// XXH64 (seed 0) in hex.
pub fn xxh64<B: Bytes>(bytes: &B) -> String {
    let mut hash = XxHash64::with_seed(0);
    in_windows(bytes, |window| hash.write(window));
    format!("{:016x}", hash.finish())
}

/// SHA-256 by copying windows of the bytes into the (wasm) heap, where the platform has no digest of its own.
pub fn sha256_in_windows<B: Bytes>(bytes: &B) -> [u8; 32] {
    let mut hash = Sha256::new();
    in_windows(bytes, |window| hash.update(window));
    hash.finalize().into()
}

/// All bytes, window by window in the heap.
fn in_windows<B: Bytes>(bytes: &B, mut take: impl FnMut(&[u8])) {
    let mut window = vec![0; WINDOW_BYTES.min(bytes.len()) as usize];
    let mut start = 0;
    while start < bytes.len() {
        let piece = bytes.slice(start, start + WINDOW_BYTES);
        let window = &mut window[..piece.len() as usize];
        piece.copy_to(window);
        take(window);
        start += piece.len();
    }
}

/// The SHA-256 of one file, chunk by chunk in order.
pub struct FileHash {
    hash: Sha256,
    next_chunk: usize,
    stated: [u8; 32],
}

impl FileHash {
    /// Begins; the caller stated that the result is `stated`.
    pub fn new(stated: [u8; 32]) -> Self {
        Self { hash: Sha256::new(), next_chunk: 0, stated }
    }

    /// The index of the chunk that has to come next.
    pub fn next_chunk(&self) -> usize {
        self.next_chunk
    }

    /// Takes chunk `next_chunk`.
    pub fn update<B: Bytes>(&mut self, bytes: &B) {
        in_windows(bytes, |window| self.hash.update(window));
        self.next_chunk += 1;
    }

    /// The hash in hex, if it is the stated one.
    ///
    /// # Errors
    /// `BadHash`.
    pub fn finish(self, url: &str) -> Result<String> {
        let found: [u8; 32] = self.hash.finalize().into();
        if found == self.stated {
            return Ok(hex(&found));
        }
        let message = "the file is not the one whose hash was stated; what was stored of it has been removed";
        Err(Error::new(ErrorKind::BadHash, message)
            .with("url", url)
            .with("expected", hex(&self.stated))
            .with("found", hex(&found)))
    }
}
