//! A store in memory, for pages without IndexedDB and for tests. It forgets everything when its last clone is dropped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::cancel::Signal;
use super::manifest::Manifest;
use super::source::Bytes;
use super::store::{Access, ChunkStore, Usage};
use crate::{Error, ErrorKind, Result};

/// Chunks in memory; clones share them.
pub struct MemoryStore<B> {
    shared: Rc<Shared<B>>,
}

/// (model, file, index)
type Key = (String, usize, usize);

struct Shared<B> {
    chunks: RefCell<Vec<(Key, B)>>,
    manifests: RefCell<Vec<Manifest>>,
    locked: RefCell<Vec<(String, Access)>>,
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
        self.shared.chunks.borrow().iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Puts other bytes in a chunk's place behind the manifest's back, as a failing disk would (`None`: none at all).
    pub fn damage(&self, model: &str, file: usize, index: usize, bytes: Option<B>) {
        let key = (model.to_owned(), file, index);
        let mut chunks = self.shared.chunks.borrow_mut();
        chunks.retain(|(other, _)| *other != key);
        chunks.extend(bytes.map(|bytes| (key, bytes)));
    }
}

impl<B> Shared<B> {
    fn is_locked(&self, model: &str, access: Access) -> bool {
        let against = |held: Access| access == Access::Alone || held == Access::Alone;
        self.locked.borrow().iter().any(|(other, held)| other == model && against(*held))
    }
}

/// Holds a model's lock until dropped.
pub struct MemoryGuard<B> {
    shared: Rc<Shared<B>>,
    model: String,
    access: Access,
}

impl<B> Drop for MemoryGuard<B> {
    fn drop(&mut self) {
        let mut locked = self.shared.locked.borrow_mut();
        if let Some(at) = locked.iter().position(|(model, access)| *model == self.model && *access == self.access) {
            locked.swap_remove(at);
        }
        drop(locked);
        self.shared.unlocked.wake();
    }
}

impl<B: Bytes> ChunkStore for MemoryStore<B> {
    type Bytes = B;
    type Guard = MemoryGuard<B>;

    async fn manifest(&self, model: &str) -> Result<Option<Manifest>> {
        Ok(self.shared.manifests.borrow().iter().find(|manifest| manifest.model == model).cloned())
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        let mut manifests = self.shared.manifests.borrow_mut();
        match manifests.iter_mut().find(|other| other.model == manifest.model) {
            Some(other) => other.clone_from(manifest),
            None => manifests.push(manifest.clone()),
        }
        Ok(())
    }

    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &B) -> Result<()> {
        let key = (manifest.model.clone(), file, index);
        let found = self.shared.chunks.borrow().iter().position(|(other, _)| *other == key);
        let replaced = found.map_or(0, |at| self.shared.chunks.borrow()[at].1.len());
        let needed_bytes = self.used_bytes() - replaced + bytes.len();
        if needed_bytes > self.shared.limit_bytes.get() {
            return Err(Error::new(ErrorKind::Quota, "the store is full").with("needed_bytes", bytes.len()));
        }
        let keep = |chunks: &mut Vec<(Key, B)>| match found {
            Some(at) => chunks[at].1 = bytes.clone(),
            None => chunks.push((key, bytes.clone())),
        };
        keep(&mut self.shared.chunks.borrow_mut());
        self.put_manifest(manifest).await
    }

    async fn put_complete(&self, manifest: &Manifest) -> Result<()> {
        self.put_manifest(manifest).await
    }

    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<B>> {
        let is_it = |(of, in_file, at): &Key| of == model && *in_file == file && *at == index;
        let chunks = self.shared.chunks.borrow();
        Ok(chunks.iter().find(|(key, _)| is_it(key)).map(|(_, bytes)| bytes.clone()))
    }

    async fn list(&self) -> Result<Vec<Manifest>> {
        Ok(self.shared.manifests.borrow().clone())
    }

    async fn delete(&self, model: &str) -> Result<()> {
        self.shared.chunks.borrow_mut().retain(|((of, ..), _)| of != model);
        self.shared.manifests.borrow_mut().retain(|manifest| manifest.model != model);
        Ok(())
    }

    async fn usage(&self) -> Result<Usage> {
        let quota_bytes = Some(self.shared.limit_bytes.get()).filter(|&limit| limit != u64::MAX);
        Ok(Usage { used_bytes: Some(self.used_bytes()), quota_bytes, persisted: false })
    }

    async fn lock(&self, model: &str, access: Access) -> Result<MemoryGuard<B>> {
        let shared = Rc::clone(&self.shared);
        let free = || {
            let is_free = !shared.is_locked(model, access);
            is_free.then(|| shared.locked.borrow_mut().push((model.to_owned(), access)))
        };
        shared.unlocked.until(free).await;
        Ok(MemoryGuard { shared: Rc::clone(&self.shared), model: model.to_owned(), access })
    }

    async fn is_locked(&self, model: &str, access: Access) -> bool {
        self.shared.is_locked(model, access)
    }

    fn now_ms(&self) -> f64 {
        0.0
    }

    fn warning(&self) -> Option<String> {
        self.shared.warning.clone()
    }
}
