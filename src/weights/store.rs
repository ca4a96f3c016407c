//! Where chunks stay: the trait that IndexedDB, memory and a directory implement.

use super::cancel::Cancel;
use super::manifest::Manifest;
use super::source::Bytes;
use crate::{Error, Result};

/// Room in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Bytes in use, by the platform's estimate; everything of this origin counts.
    pub used_bytes: Option<u64>,
    /// Bytes that the platform says it would allow. A hint only: browsers report a made-up figure, and the truth is the
    /// `Quota` error.
    pub quota_bytes: Option<u64>,
    /// Whether the platform promised not to evict what is stored.
    pub persisted: bool,
}

/// What a model's lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read a complete model, which others may do at the same time.
    Shared,
    /// To download, repair or delete it.
    Alone,
}

/// Stores chunks by (model, file, index), and one manifest a model.
///
/// Errors of every method: `Quota` (with `needed_bytes` where known) if there is no room, and then everything stored
/// before is still there; `Storage` for any other failure.
#[allow(async_fn_in_trait, reason = "everything here runs on one thread, so no future needs Send")]
pub trait ChunkStore {
    /// What chunks are.
    type Bytes: Bytes;
    /// While it lives, nobody else downloads or deletes the model; nor reads it, where it is held alone.
    type Guard: 'static;

    /// The manifest of a model, if there is one.
    async fn manifest(&self, model: &str) -> Result<Option<Manifest>>;

    /// Writes a manifest.
    async fn put_manifest(&self, manifest: &Manifest) -> Result<()>;

    /// Writes a chunk of `manifest.model`, and the manifest that says that it is stored, in one transaction: both or
    /// neither.
    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &Self::Bytes) -> Result<()>;

    /// Writes a manifest that says `complete`, and returns when it is on disk as safely as the platform can.
    async fn put_complete(&self, manifest: &Manifest) -> Result<()>;

    /// A chunk, unchecked; `None` if it is not there.
    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<Self::Bytes>>;

    /// All manifests.
    async fn list(&self) -> Result<Vec<Manifest>>;

    /// Removes a model's chunks and manifest in one transaction. The caller holds the lock.
    async fn delete(&self, model: &str) -> Result<()>;

    /// How much room is used and left.
    async fn usage(&self) -> Result<Usage>;

    /// Waits until nobody else (another tab, another load) works on the model in a way that goes not with `access`.
    async fn lock(&self, model: &str, access: Access) -> Result<Self::Guard>;

    /// Whether that lock would have to be waited for. A hint for the progress display.
    async fn is_locked(&self, model: &str, access: Access) -> bool;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> f64;

    /// What the reader of the page should know of this store, e.g. that it keeps nothing.
    fn warning(&self) -> Option<String>;
}

/// Whether `error` says that what was stored of a model was removed under the load's hands, as when a site's data is cleared.
pub fn is_removed(error: &Error) -> bool {
    error.data().contains_key("removed")
}

/// Removes a model, waiting first for whoever is working on it.
///
/// # Errors
/// `Aborted`, or what the store gives.
pub async fn delete_model<T: ChunkStore>(store: &T, model: &str, cancel: &Cancel) -> Result<()> {
    let work = async {
        let _guard = store.lock(model, Access::Alone).await?;
        store.delete(model).await
    };
    cancel.race(work).await
}
