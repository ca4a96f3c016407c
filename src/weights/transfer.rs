//! Moves a model's chunks, stored and missing, into the store and to the sink, while the next ones arrive.
//!
//! ```text
//! stored chunks ─► read, check hash ─┐
//! missing runs  ─► fetch, check hash ├─► queue of 1 ─► store + sink (at once) ─► whole-file hash
//! missing runs  ─► fetch, check hash ┘
//! ```
//!
//! At most five chunks are in hand: two arriving from the network, one from the store, one waiting, one in use.

use futures_util::future::{try_join, try_join3};

use super::download::Reader;
use super::load::{ModelFiles, Sink, bad_chunk};
use super::manifest::{Manifest, hex};
use super::plan::TensorSpan;
use super::progress::Meter;
use super::queue::Queue;
use super::runs::Runs;
use super::source::{ByteSource, Bytes};
use super::store::ChunkStore;
use super::verify::{FileHash, xxh64};
use crate::{Error, ErrorKind, Result};

/// Times that a chunk is fetched to get the hash that is recorded of it.
const CHUNK_TRIES: u32 = 3;

/// A chunk on its way to the consumer, with the hash it was found to have.
struct Arrived<B> {
    file: usize,
    index: usize,
    start: u64,
    bytes: B,
    /// The hash in hex, if the chunk is not stored yet.
    unstored: Option<String>,
}

impl<S: ByteSource, T: ChunkStore<Bytes = S::Bytes>> ModelFiles<S, T> {
    /// Moves all chunks, stored and missing, to the sink.
    pub(super) async fn transfer(
        &self,
        spans: &[TensorSpan],
        sink: &mut impl Sink<S::Bytes>,
        meter: &Meter<'_>,
        hashes: &mut [Option<FileHash>],
    ) -> Result<()> {
        let (mut stored, mut missing) = (Vec::new(), Vec::new());
        for (file, index, chunk) in self.manifest.borrow().chunks() {
            if chunk.stored { &mut stored } else { &mut missing }.push((file, index));
        }
        let runs = Runs::new(&self.remotes, missing);
        let queue = Queue::new(1);
        let producing = async {
            let result = try_join3(
                self.read_all_stored(&stored, &runs, &queue, meter),
                self.fetch(0, &runs, &queue, meter),
                self.fetch(1, &runs, &queue, meter),
            )
            .await;
            // What has arrived is still stored, and then the load fails.
            queue.close();
            Ok(result)
        };
        let (produced, ()) = try_join(producing, self.consume(spans, sink, &queue, meter, hashes)).await?;
        produced.map(|_| ())
    }

    /// Reads the stored chunks; the damaged ones become missing.
    async fn read_all_stored(
        &self,
        stored: &[(usize, usize)],
        runs: &Runs<'_>,
        queue: &Queue<Arrived<S::Bytes>>,
        meter: &Meter<'_>,
    ) -> Result<()> {
        for &(file, index) in stored {
            let mut bytes = self.read_stored(file, index).await?;
            if bytes.is_none() && self.source.is_some() && !self.is_alone() {
                // Another tab may be repairing the same chunk.
                self.hold_guard().await?;
                bytes = self.read_stored(file, index).await?;
            }
            match bytes {
                Some(bytes) => {
                    let start = self.manifest.borrow().files[file].chunks[index].start;
                    meter.read_back(bytes.len());
                    queue.push(Arrived { file, index, start, bytes, unstored: None }).await;
                }
                None if self.source.is_none() => return Err(bad_chunk(file, Some(index))),
                None => {
                    let mut manifest = self.manifest.borrow_mut();
                    manifest.files[file].chunks[index].stored = false;
                    manifest.complete = false;
                    drop(manifest);
                    meter.refetched();
                    runs.add(file, index);
                }
            }
        }
        runs.close();
        Ok(())
    }

    /// Fetches run after run.
    async fn fetch(
        &self,
        fetcher: usize,
        runs: &Runs<'_>,
        queue: &Queue<Arrived<S::Bytes>>,
        meter: &Meter<'_>,
    ) -> Result<()> {
        let mut kept: Option<(usize, Reader<'_, S>)> = None;
        while let Some(run) = runs.next(fetcher).await {
            let source = self.source.as_ref().ok_or_else(|| bad_chunk(run.file, Some(run.chunks.start)))?;
            let mut reader = match kept.take() {
                Some((file, reader)) if file == run.file => reader,
                _ => {
                    let mut reader = Reader::new(source, run.file, &self.remotes[run.file], meter);
                    reader.resume(self.heads[run.file].borrow_mut().open.take());
                    reader
                }
            };
            for index in run.chunks.clone() {
                let end = {
                    let manifest = self.manifest.borrow();
                    let last = &manifest.files[run.file].chunks[run.chunks.end - 1];
                    last.start + last.len
                };
                let arrived = self.fetch_chunk(&mut reader, run.file, index, end, meter).await?;
                runs.learned();
                queue.push(arrived).await;
            }
            kept = Some((run.file, reader));
        }
        Ok(())
    }

    /// Fetches a chunk, again if it does not have the hash that is recorded of it. `end` is where its run ends.
    async fn fetch_chunk(
        &self,
        reader: &mut Reader<'_, S>,
        file: usize,
        index: usize,
        end: u64,
        meter: &Meter<'_>,
    ) -> Result<Arrived<S::Bytes>> {
        let chunk = self.manifest.borrow().files[file].chunks[index].clone();
        let mut parts = self.head_parts(file, chunk.start, chunk.len);
        for _ in 0..CHUNK_TRIES {
            let fetching = reader.chunk(chunk.start, chunk.len, end, std::mem::take(&mut parts));
            let bytes = self.timed(&self.counts.fetch_ms, fetching).await?;
            let found = hex(&self.timed(&self.counts.hash_ms, bytes.sha256()).await?);
            if chunk.sha256.as_ref().is_none_or(|expected| *expected == found) {
                return Ok(Arrived { file, index, start: chunk.start, bytes, unstored: Some(found) });
            }
            meter.discarded(chunk.len);
            meter.refetched();
        }
        Err(bad_chunk(file, Some(index)))
    }

    /// What the head holds of bytes `start..start + len`.
    fn head_parts(&self, file: usize, start: u64, len: u64) -> Vec<S::Bytes> {
        let head = self.heads[file].borrow();
        let mut at = 0;
        let mut parts = Vec::new();
        for part in &head.parts {
            let (from, to) = (start.saturating_sub(at), (start + len).saturating_sub(at).min(part.len()));
            if from < to {
                parts.push(part.slice(from, to));
            }
            at += part.len();
        }
        parts
    }

    /// Stores, hashes and hands over what arrives.
    async fn consume(
        &self,
        spans: &[TensorSpan],
        sink: &mut impl Sink<S::Bytes>,
        queue: &Queue<Arrived<S::Bytes>>,
        meter: &Meter<'_>,
        hashes: &mut [Option<FileHash>],
    ) -> Result<()> {
        // Chunks of files with a hash that came before their turn.
        let mut early: Vec<(usize, usize)> = Vec::new();
        while let Some(Arrived { file, index, start, bytes, unstored }) = queue.pop().await {
            let len = bytes.len();
            let holds_weights = spans.iter().any(|span| {
                span.file == file && span.offset < start + len && span.offset.saturating_add(span.n_bytes) > start
            });
            let storing = async {
                match unstored {
                    Some(sha256) => {
                        let storing = self.store_chunk(file, index, &bytes, sha256);
                        self.timed(&self.counts.store_ms, storing).await
                    }
                    None => Ok(()),
                }
            };
            let sinking = async {
                if !holds_weights {
                    return Ok(());
                }
                self.timed(&self.counts.upload_ms, sink.accept(file, start, bytes.clone())).await
            };
            try_join(storing, sinking).await?;
            if let Some(hash) = hashes[file].as_mut() {
                if hash.next_chunk() == index {
                    self.timed(&self.counts.hash_ms, async { hash.update(&bytes) }).await;
                } else {
                    early.push((file, index));
                }
                // Those that came early can be read back now.
                while let Some(at) = early.iter().position(|chunk| *chunk == (file, hash.next_chunk())) {
                    early.swap_remove(at);
                    self.hash_stored(file, hash).await?;
                }
            }
            meter.used(len);
        }
        Ok(())
    }

    /// Takes the next chunk of a whole-file hash from the store.
    pub(super) async fn hash_stored(&self, file: usize, hash: &mut FileHash) -> Result<()> {
        let index = hash.next_chunk();
        let bytes = self.read_stored(file, index).await?.ok_or_else(|| bad_chunk(file, Some(index)))?;
        hash.update(&bytes);
        Ok(())
    }

    /// Writes a chunk and the manifest with its bit, and only then believes the bit itself.
    async fn store_chunk(&self, file: usize, index: usize, bytes: &S::Bytes, sha256: String) -> Result<()> {
        let mut manifest = self.manifest.borrow().clone();
        let xxh64 = self.timed(&self.counts.hash_ms, async { xxh64(bytes) }).await;
        let mark = |manifest: &mut Manifest| {
            let chunk = &mut manifest.files[file].chunks[index];
            chunk.stored = true;
            (chunk.sha256, chunk.xxh64) = (Some(sha256.clone()), Some(xxh64.clone()));
        };
        mark(&mut manifest);
        let stored = self.store.put_chunk(&manifest, file, index, bytes).await;
        stored.map_err(|error| self.with_needed_bytes(error))?;
        mark(&mut self.manifest.borrow_mut());
        Ok(())
    }

    pub(super) fn with_needed_bytes(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Quota {
            return error;
        }
        let manifest = self.manifest.borrow();
        error.with("needed_bytes", manifest.total_bytes().saturating_sub(manifest.stored_bytes()))
    }
}
