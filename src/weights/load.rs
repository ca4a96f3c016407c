//! Loads a model: opens it, reads its headers, streams its chunks into the store and to a [`Sink`].
//!
//! What moves the chunks is in `transfer.rs`.

use std::cell::{Cell, RefCell};

use super::cancel::Cancel;
use super::download::{Open, Reader, Remote, is_changed};
use super::manifest::Manifest;
use super::open::beside;
use super::pause::Pause;
use super::plan::{self, DEFAULT_CHUNK_BYTES, TensorSpan};
use super::progress::{Counts, LoadReport, Meter, Millis, Phase, Progress};
use super::source::{ByteSource, Bytes, Facts};
use super::store::{Access, ChunkStore};
use super::verify::{FileHash, is_kept};
use crate::{Error, ErrorKind, Result};

/// What is read of a file of which nobody wanted a header, to learn its size.
const PROBE_BYTES: u64 = 4096;

/// Takes chunks as they become available.
#[allow(async_fn_in_trait, reason = "everything here runs on one thread, so no future needs Send")]
pub trait Sink<B: Bytes> {
    /// Takes bytes `offset..offset + bytes.len()` of a file. Every chunk that holds bytes of a tensor comes exactly once
    /// a load, in any order; `offset` is a multiple of 4 bytes, and no quantisation block is split between two chunks.
    ///
    /// The hash of the chunk has been checked where one was known; the hash of the whole file only when `stream` returns.
    ///
    /// # Errors
    /// Any error ends the load with it; what is stored stays.
    async fn accept(&mut self, file: usize, offset: u64, bytes: B) -> Result<()>;
}

/// How to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The SHA-256 that each file must have, in the source's order; missing or `None` where the caller does not know it.
    pub sha256: Vec<Option<[u8; 32]>>,
    /// Upper bound of a chunk's length in bytes (4 to 16 MiB; less only in tests).
    pub chunk_bytes: u64,
    /// While it is set, nothing comes over the network.
    pub pause: Pause,
    /// What is done where the files of a complete stored model are others by now.
    pub update: Update,
}

/// What is done where the files at the addresses of a complete stored model are others by now (by their size, `ETag` or `Last-Modified`).
/// A file whose hash the caller stated may be no other, and is not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    /// Nobody is asked.
    Never,
    /// The stored ones are used, and the report says so. The question is asked beside the load and waited for no longer than that takes.
    #[default]
    Notice,
    /// The stored ones are removed, and the others loaded.
    Replace,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            sha256: Vec::new(),
            chunk_bytes: DEFAULT_CHUNK_BYTES,
            pause: Pause::default(),
            update: Update::default(),
        }
    }
}

/// The files of one model, opened: from their source, from the store, or some from each.
///
/// Until a load is complete, this holds the model's lock, so that two tabs download once.
pub struct ModelFiles<S: ByteSource, T: ChunkStore<Bytes = S::Bytes>> {
    pub(super) source: Option<S>,
    pub(super) store: T,
    pub(super) options: LoadOptions,
    pub(super) cancel: Cancel,
    pub(super) manifest: RefCell<Manifest>,
    pub(super) remotes: Vec<Remote>,
    pub(super) heads: Vec<RefCell<Head<S>>>,
    pub(super) guard: RefCell<Option<(Access, T::Guard)>>,
    pub(super) counts: Counts,
    pub(super) warnings: Vec<String>,
    /// The store is only looked at.
    pub(super) peeks: bool,
}

/// The first bytes of a file, kept so that they are fetched once.
pub(super) struct Head<S: ByteSource> {
    pub(super) parts: Vec<S::Bytes>,
    len: u64,
    /// The one connection of a server without ranges, standing at `len`.
    pub(super) open: Option<Open<S::Body>>,
}

impl<S: ByteSource> Default for Head<S> {
    fn default() -> Self {
        Self { parts: Vec::new(), len: 0, open: None }
    }
}

impl<S: ByteSource> Head<S> {
    fn push(&mut self, bytes: S::Bytes) {
        self.len += bytes.len();
        self.parts.push(bytes);
    }
}

impl<S: ByteSource, T: ChunkStore<Bytes = S::Bytes>> ModelFiles<S, T> {
    /// How many files the model has.
    pub fn n_files(&self) -> usize {
        self.remotes.len()
    }

    /// The size of a file in bytes; 0 until the first `prefix` of a file that is not stored.
    pub fn file_bytes(&self, file: usize) -> u64 {
        self.remotes.get(file).and_then(|remote| remote.facts.borrow().size).unwrap_or(0)
    }

    /// Asks for the size of each file whose header nobody wanted.
    ///
    /// # Errors
    /// As [`ModelFiles::prefix`].
    pub async fn learn_sizes(&mut self) -> Result<()> {
        for file in 0..self.n_files() {
            if self.remotes[file].facts.borrow().size.is_none() {
                self.prefix(file, PROBE_BYTES).await?;
            }
        }
        Ok(())
    }

    /// Bytes of the model that are stored already.
    pub fn stored_bytes(&self) -> u64 {
        self.manifest.borrow().stored_bytes()
    }

    /// Whether no chunk is missing, so that loading needs no network unless a stored chunk is damaged.
    pub fn is_stored(&self) -> bool {
        self.manifest.borrow().complete
    }

    /// The store.
    pub fn store(&self) -> &T {
        &self.store
    }

    /// The first `n_bytes` of a file, or all of it if it is shorter: from the store if they are there, otherwise by a
    /// small ranged read. What was read is kept, and fetched once even if the caller comes back for more.
    ///
    /// # Errors
    /// `Network`, `Aborted`, `Storage`; `BadChunk` without a source if a stored chunk is damaged. After a `Network` error
    /// with `changed` in its data, the stored chunks are gone and the model must be opened again.
    pub async fn prefix(&mut self, file: usize, n_bytes: u64) -> Result<Vec<u8>> {
        let cancel = self.cancel.clone();
        let result = cancel.race(self.extend_head(file, n_bytes)).await;
        self.forget_useless(result.as_ref().err()).await;
        result?;
        let head = self.heads[file].borrow();
        let mut out = Vec::new();
        for part in &head.parts {
            let missing = n_bytes - out.len() as u64;
            out.extend(part.slice(0, missing).to_vec());
        }
        Ok(out)
    }

    /// Sends every chunk that holds bytes of `spans` to `sink`, stores what is not stored, checks everything that can be
    /// checked, and marks the model as complete.
    ///
    /// # Errors
    /// `Quota` with `needed_bytes` (what is still missing in the store), `Network`, `BadChunk`, `BadHash` (the stored
    /// chunks are removed), `BadFile` (the tensors contradict the file's size), `Aborted`, `Storage`, or what `sink` gives.
    /// Whatever ended a load, the chunks stored so far are kept and the next one fetches only what is missing, except
    /// after `BadHash` and after a `Network` error with `changed` in its data.
    pub async fn stream(
        &mut self,
        spans: &[TensorSpan],
        sink: &mut impl Sink<S::Bytes>,
        progress: &dyn Fn(Progress),
        cancel: &Cancel,
    ) -> Result<LoadReport> {
        let result = cancel.race(self.stream_all(spans, sink, progress)).await;
        self.forget_useless(result.as_ref().err()).await;
        result
    }

    async fn stream_all(
        &mut self,
        spans: &[TensorSpan],
        sink: &mut impl Sink<S::Bytes>,
        progress: &dyn Fn(Progress),
    ) -> Result<LoadReport> {
        for file in 0..self.n_files() {
            if self.remotes[file].facts.borrow().size.is_none() {
                self.extend_head(file, PROBE_BYTES).await?;
            }
        }
        self.plan(spans).await?;
        let total_bytes = self.manifest.borrow().total_bytes();
        let meter = Meter::new(&self.counts, total_bytes, progress);
        let mut hashes = self.hashes();
        let is_outdated = Cell::new(false);
        let moving = async {
            self.transfer(spans, sink, &meter, &mut hashes).await?;
            meter.tell(Phase::Verifying);
            self.finish(hashes).await
        };
        beside(moving, self.watch_upstream(&is_outdated)).await?;
        let mut warnings = self.warnings.clone();
        if is_outdated.get() {
            warnings.push("the model's files have changed at their addresses since they were stored: load with `update` to replace them".into());
        }
        let source_bytes = self.source.as_ref().and_then(ByteSource::downloaded_bytes);
        Ok(LoadReport {
            downloaded_bytes: source_bytes.unwrap_or(self.counts.downloaded_bytes.get()),
            from_store_bytes: self.counts.from_store_bytes.get(),
            refetched_chunks: self.counts.refetched_chunks.get(),
            integrity: self.manifest.borrow().integrity(),
            millis: Millis {
                fetch: self.counts.fetch_ms.get(),
                hash: self.counts.hash_ms.get(),
                store: self.counts.store_ms.get(),
                upload: self.counts.upload_ms.get(),
            },
            is_outdated: is_outdated.get(),
            warnings,
        })
    }

    /// Does a part of the load, and counts how long it took.
    pub(super) async fn timed<R>(&self, ms: &Cell<f64>, work: impl Future<Output = R>) -> R {
        let started = self.store.now_ms();
        let result = work.await;
        ms.set(ms.get() + self.store.now_ms() - started);
        result
    }

    /// Reads on at the end of a file's head until it has `n_bytes`.
    async fn extend_head(&self, file: usize, n_bytes: u64) -> Result<()> {
        let Some(remote) = self.remotes.get(file) else {
            return Err(Error::bad_argument("file", format!("there is no file {file}")));
        };
        let wanted = || n_bytes.min(remote.facts.borrow().size.unwrap_or(u64::MAX));
        while self.heads[file].borrow().len < wanted() {
            let len = self.heads[file].borrow().len;
            match self.stored_at(file, len).await? {
                Some(bytes) => self.heads[file].borrow_mut().push(bytes),
                None => break,
            }
        }
        let (len, open) = {
            let mut head = self.heads[file].borrow_mut();
            (head.len, head.open.take())
        };
        if len >= wanted() {
            self.heads[file].borrow_mut().open = open;
            return Ok(());
        }
        let source = self.source.as_ref().ok_or_else(|| bad_chunk(file, None))?;
        let meter = Meter::new(&self.counts, 0, &|_| {});
        let mut reader = Reader::new(source, file, remote, &meter);
        reader.resume(open);
        reader.seek(len, wanted());
        loop {
            match reader.next(u64::MAX).await {
                Ok(Some(piece)) => self.heads[file].borrow_mut().push(piece),
                Ok(None) => break,
                Err(error) if reader.distrusts(&error) => {
                    self.heads[file].take();
                    reader.seek(0, wanted());
                }
                Err(error) => return Err(error),
            }
        }
        self.heads[file].borrow_mut().open = reader.into_open();
        Ok(())
    }

    /// The stored chunk that begins at `start`, if there is one and it is good.
    async fn stored_at(&self, file: usize, start: u64) -> Result<Option<S::Bytes>> {
        let found = {
            let manifest = self.manifest.borrow();
            let chunks = &manifest.files[file].chunks;
            chunks.iter().position(|chunk| chunk.start == start && chunk.stored)
        };
        match found {
            Some(index) => self.read_stored(file, index).await,
            None => Ok(None),
        }
    }

    /// A chunk from the store, or `None` if it is damaged or not there.
    pub(super) async fn read_stored(&self, file: usize, index: usize) -> Result<Option<S::Bytes>> {
        let (model, chunk) = {
            let manifest = self.manifest.borrow();
            (manifest.model.clone(), manifest.files[file].chunks[index].clone())
        };
        let reading = self.store.chunk(&model, file, index);
        let Some(bytes) = self.timed(&self.counts.store_ms, reading).await? else { return Ok(None) };
        let hashing = is_kept(&bytes, &chunk);
        Ok(self.timed(&self.counts.hash_ms, hashing).await?.then_some(bytes))
    }

    /// Cuts the files into chunks, unless that was done, and records what is known of them.
    async fn plan(&self, spans: &[TensorSpan]) -> Result<()> {
        let mut manifest = self.manifest.borrow().clone();
        let mut replaced = false;
        for (file, (entry, remote)) in manifest.files.iter_mut().zip(&self.remotes).enumerate() {
            let Facts { size, etag, last_modified } = remote.facts.borrow().clone();
            (entry.size, entry.etag, entry.last_modified) = (size, etag, last_modified);
            let size = size.ok_or_else(|| Error::internal("a file's size is not known"))?;
            if (entry.chunks.is_empty() && size > 0) || !plan::fits(&entry.chunks, size, file, spans) {
                let chunks = plan::cut(size, file, spans, self.options.chunk_bytes)?;
                replaced |= entry.chunks.iter().any(|chunk| chunk.stored);
                entry.chunks = chunks;
                manifest.complete = false;
            }
        }
        if manifest == *self.manifest.borrow() {
            return Ok(());
        }
        if replaced {
            // The chunks were cut for other tensors: they cannot be told apart from the new ones by their keys.
            if self.source.is_none() {
                return Err(Error::new(
                    ErrorKind::Storage,
                    "the stored copy was made for another reading of its header",
                ));
            }
            self.hold_guard().await?;
            self.store.delete(&manifest.model).await?;
            for chunk in manifest.files.iter_mut().flat_map(|file| &mut file.chunks) {
                (chunk.stored, chunk.sha256, chunk.xxh64) = (false, None, None);
            }
        }
        let stored = self.store.put_manifest(&manifest).await;
        self.manifest.replace(manifest);
        stored.map_err(|error| self.with_needed_bytes(error))
    }

    /// Whether nobody else works on the model or reads it.
    pub(super) fn is_alone(&self) -> bool {
        self.guard.borrow().as_ref().is_some_and(|(access, _)| *access == Access::Alone)
    }

    /// Takes the model's lock alone, unless that is held.
    pub(super) async fn hold_guard(&self) -> Result<()> {
        if self.is_alone() {
            return Ok(());
        }
        // Two that read the model would wait for each other. And who waited longer may remove it first.
        self.guard.replace(None);
        let model = self.manifest.borrow().model.clone();
        let guard = self.store.lock(&model, Access::Alone).await?;
        self.guard.replace(Some((Access::Alone, guard)));
        let kept = self.store.manifest(&model).await?;
        self.manifest.borrow_mut().forget_beyond(kept.as_ref());
        Ok(())
    }

    /// Hashes of the files that have a stated one and were not checked against it.
    fn hashes(&self) -> Vec<Option<FileHash>> {
        let manifest = self.manifest.borrow();
        let unchecked = |(file, entry): (usize, &super::manifest::FileEntry)| {
            let stated = self.options.sha256.get(file).copied().flatten()?;
            (entry.sha256_verified.is_none() || !manifest.complete).then(|| FileHash::new(stated))
        };
        manifest.files.iter().enumerate().map(unchecked).collect()
    }

    /// Checks the whole files, and marks the model as complete.
    async fn finish(&self, hashes: Vec<Option<FileHash>>) -> Result<()> {
        let mut manifest = self.manifest.borrow().clone();
        for (file, hash) in hashes.into_iter().enumerate() {
            let Some(mut hash) = hash else { continue };
            while hash.next_chunk() < manifest.files[file].chunks.len() {
                self.hash_stored(file, &mut hash).await?;
            }
            manifest.files[file].sha256_verified = Some(hash.finish(&manifest.files[file].url)?);
        }
        let was_complete = manifest.complete && manifest.integrity() == self.manifest.borrow().integrity();
        // Not whole is what was removed while it was read.
        manifest.complete = manifest.is_whole();
        manifest.last_used_ms = self.store.now_ms();
        // On its way each chunk was held against its hash, or got one.
        manifest.verified_ms = manifest.complete.then_some(manifest.last_used_ms);
        if was_complete {
            // The weights are here, and that is what was wanted; a disk that is full keeps an older date.
            let _ = self.store.put_manifest(&manifest).await;
        } else {
            self.store.put_complete(&manifest).await?;
        }
        self.manifest.replace(manifest);
        self.guard.replace(None);
        self.heads.iter().for_each(|head| drop(head.take()));
        Ok(())
    }

    /// Removes what is stored if `error` says that it is of no use.
    async fn forget_useless(&self, error: Option<&Error>) {
        if self.peeks || !error.is_some_and(|error| error.kind() == ErrorKind::BadHash || is_changed(error)) {
            return;
        }
        let model = self.manifest.borrow().model.clone();
        // The first error is the one to report; if locking or removing fails too, the next load finds the same contradiction.
        let _ = self.hold_guard().await;
        let _ = self.store.delete(&model).await;
        let mut manifest = self.manifest.borrow_mut();
        *manifest = Manifest::new(&model, manifest.files.iter().map(|file| file.url.clone()), self.store.now_ms());
        drop(manifest);
        for (remote, head) in self.remotes.iter().zip(&self.heads) {
            remote.facts.take();
            head.take();
        }
    }
}

pub(super) fn bad_chunk(file: usize, index: Option<usize>) -> Error {
    let message = "a stored or fetched chunk does not have the hash that is recorded of it";
    let error = Error::new(ErrorKind::BadChunk, message).with("file", file);
    match index {
        Some(index) => error.with("chunk", index),
        None => error,
    }
}
