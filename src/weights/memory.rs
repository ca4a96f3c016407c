//! A store in memory, for pages without IndexedDB and for tests. It forgets everything when its last clone is dropped.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::cancel::Signal;
use super::manifest::Manifest;
use super::source::Bytes;
use super::store::{ChunkStore, Usage};
use crate::{Error, ErrorKind, Result};

/// Chunks in memory; clones share them.
pub struct MemoryStore<B> {
    shared: Rc<Shared<B>>,
}

struct Shared<B> {
    chunks: RefCell<BTreeMap<(String, usize, usize), B>>,
    manifests: RefCell<BTreeMap<String, Manifest>>,
    locked: RefCell<BTreeSet<String>>,
    unlocked: Signal,
    limit_bytes: Cell<u64>,
    warning: Option<String>,
}

impl<B> Clone for MemoryStore<B> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<B: Bytes> Default for MemoryStore<B> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<B: Bytes> MemoryStore<B> {
    /// An empty store; `warning` says why it stands in for a lasting one.
    pub fn new(warning: Option<String>) -> Self {
        let shared = Shared {
            chunks: RefCell::default(),
            manifests: RefCell::default(),
            locked: RefCell::default(),
            unlocked: Signal::default(),
            limit_bytes: Cell::new(u64::MAX),
            warning,
        };
        Self { shared: Rc::new(shared) }
    }

    /// From now on, holds at most this many bytes of chunks.
    pub fn set_limit_bytes(&self, limit_bytes: u64) {
        self.shared.limit_bytes.set(limit_bytes);
    }

    /// Bytes of all chunks.
    pub fn used_bytes(&self) -> u64 {
        self.shared.chunks.borrow().values().map(Bytes::len).sum()
    }

    /// Puts other bytes in a chunk's place behind the manifest's back, as a failing disk would (`None`: none at all).
    pub fn damage(&self, model: &str, file: usize, index: usize, bytes: Option<B>) {
        let key = (model.to_owned(), file, index);
        let mut chunks = self.shared.chunks.borrow_mut();
        match bytes {
            Some(bytes) => drop(chunks.insert(key, bytes)),
            None => drop(chunks.remove(&key)),
        }
    }
}

/// Holds a model's lock until dropped.
pub struct MemoryGuard<B> {
    shared: Rc<Shared<B>>,
    model: String,
}

impl<B> Drop for MemoryGuard<B> {
    fn drop(&mut self) {
        self.shared.locked.borrow_mut().remove(&self.model);
        self.shared.unlocked.wake();
    }
}

impl<B: Bytes> ChunkStore for MemoryStore<B> {
    type Bytes = B;
    type Guard = MemoryGuard<B>;

    async fn manifest(&self, model: &str) -> Result<Option<Manifest>> {
        Ok(self.shared.manifests.borrow().get(model).cloned())
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.shared.manifests.borrow_mut().insert(manifest.model.clone(), manifest.clone());
        Ok(())
    }

    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &B) -> Result<()> {
        let key = (manifest.model.clone(), file, index);
        let replaced = self.shared.chunks.borrow().get(&key).map_or(0, Bytes::len);
        let needed_bytes = self.used_bytes() - replaced + bytes.len();
        if needed_bytes > self.shared.limit_bytes.get() {
            return Err(Error::new(ErrorKind::Quota, "the store is full").with("needed_bytes", bytes.len()));
        }
        self.shared.chunks.borrow_mut().insert(key, bytes.clone());
        self.put_manifest(manifest).await
    }

    async fn put_complete(&self, manifest: &Manifest) -> Result<()> {
        self.put_manifest(manifest).await
    }

    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<B>> {
        Ok(self.shared.chunks.borrow().get(&(model.to_owned(), file, index)).cloned())
    }

    async fn list(&self) -> Result<Vec<Manifest>> {
        Ok(self.shared.manifests.borrow().values().cloned().collect())
    }

    async fn delete(&self, model: &str) -> Result<()> {
        self.shared.chunks.borrow_mut().retain(|(of, _, _), _| of != model);
        self.shared.manifests.borrow_mut().remove(model);
        Ok(())
    }

    async fn usage(&self) -> Result<Usage> {
        let quota_bytes = Some(self.shared.limit_bytes.get()).filter(|&limit| limit != u64::MAX);
        Ok(Usage { used_bytes: Some(self.used_bytes()), quota_bytes, persisted: false })
    }

    async fn lock(&self, model: &str) -> Result<MemoryGuard<B>> {
        let shared = Rc::clone(&self.shared);
        let free = || shared.locked.borrow_mut().insert(model.to_owned()).then_some(());
        shared.unlocked.until(free).await;
        Ok(MemoryGuard { shared: Rc::clone(&self.shared), model: model.to_owned() })
    }

    async fn is_locked(&self, model: &str) -> bool {
        self.shared.locked.borrow().contains(model)
    }

    fn now_ms(&self) -> f64 {
        0.0
    }

    fn warning(&self) -> Option<String> {
        self.shared.warning.clone()
    }
}
