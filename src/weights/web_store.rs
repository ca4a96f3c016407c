//! The store of a page: IndexedDB, or memory where there is none.
#![cfg(target_arch = "wasm32")]

use std::rc::Rc;

use super::http::JsBytes;
use super::indexed_db::{IndexedDb, WebLock, now_ms};
use super::manifest::Manifest;
use super::memory::{MemoryGuard, MemoryStore};
use super::store::{Access, ChunkStore, Usage};
use crate::Result;

/// IndexedDB where the browser gives it, otherwise memory.
pub enum WebStore {
    /// Lasting.
    Indexed(Rc<IndexedDb>),
    /// Until the page is closed.
    Memory(MemoryStore<JsBytes>),
}

impl Clone for WebStore {
    fn clone(&self) -> Self {
        match self {
            Self::Indexed(store) => Self::Indexed(Rc::clone(store)),
            Self::Memory(store) => Self::Memory(store.clone()),
        }
    }
}

/// Either store's lock.
pub enum WebGuard {
    /// A Web Lock.
    Indexed(WebLock),
    /// A lock within this page.
    Memory(MemoryGuard<JsBytes>),
}

impl WebStore {
    /// Opens IndexedDB, or falls back to memory, of which [`ChunkStore::warning`] then speaks.
    ///
    /// # Errors
    /// `Storage` where another tab, or another version of doran, keeps it from being opened: the reader can do something about that,
    /// and a large model should not be downloaded into nothing meanwhile.
    pub async fn open(name: &str) -> Result<Self> {
        match IndexedDb::open(name).await {
            Ok(store) => Ok(Self::Indexed(Rc::new(store))),
            Err(error) if error.data().contains_key("blocked") => Err(error),
            Err(error) => Ok(Self::memory(&format!("models are not kept: {}", error.message()))),
        }
    }

    /// A store that keeps nothing; `warning` says why.
    pub fn memory(warning: &str) -> Self {
        Self::Memory(MemoryStore::new(Some(warning.to_owned())))
    }
}

/// Calls the same method on whichever store it is.
macro_rules! either {
    ($store:expr, $inner:ident => $call:expr) => {
        match $store {
            WebStore::Indexed($inner) => $call,
            WebStore::Memory($inner) => $call,
        }
    };
}

impl ChunkStore for WebStore {
    type Bytes = JsBytes;
    type Guard = WebGuard;

    async fn manifest(&self, model: &str) -> Result<Option<Manifest>> {
        either!(self, store => store.manifest(model).await)
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        either!(self, store => store.put_manifest(manifest).await)
    }

    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &JsBytes) -> Result<()> {
        either!(self, store => store.put_chunk(manifest, file, index, bytes).await)
    }

    async fn put_complete(&self, manifest: &Manifest) -> Result<()> {
        either!(self, store => store.put_complete(manifest).await)
    }

    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<JsBytes>> {
        either!(self, store => store.chunk(model, file, index).await)
    }

    async fn list(&self) -> Result<Vec<Manifest>> {
        either!(self, store => store.list().await)
    }

    async fn delete(&self, model: &str) -> Result<()> {
        either!(self, store => store.delete(model).await)
    }

    async fn usage(&self) -> Result<Usage> {
        either!(self, store => store.usage().await)
    }

    async fn lock(&self, model: &str, access: Access) -> Result<WebGuard> {
        match self {
            Self::Indexed(store) => store.lock(model, access).await.map(WebGuard::Indexed),
            Self::Memory(store) => store.lock(model, access).await.map(WebGuard::Memory),
        }
    }

    async fn is_locked(&self, model: &str, access: Access) -> bool {
        either!(self, store => store.is_locked(model, access).await)
    }

    fn now_ms(&self) -> f64 {
        now_ms()
    }

    fn warning(&self) -> Option<String> {
        either!(self, store => store.warning())
    }
}
