//! Opens a model: what the store has of it, whether that is of the source's files, and whether those are still the same.

use std::cell::{Cell, RefCell};
use std::pin::pin;

use super::cancel::Cancel;
use super::download::Remote;
use super::load::{LoadOptions, ModelFiles, Update};
use super::manifest::{Manifest, SCHEMA, hex};
use super::progress::{Counts, Meter, Phase, Progress};
use super::source::{ByteSource, Facts};
use super::store::{Access, ChunkStore};
use crate::{Error, ErrorKind, Result};

impl<S: ByteSource, T: ChunkStore<Bytes = S::Bytes>> ModelFiles<S, T> {
    /// Opens `model`. A complete stored model needs no network from here on, and others may read it at the same time; nobody removes it
    /// before it is read. Otherwise this waits until no other tab works on the model (telling `progress` so), and finds what that one
    /// stored.
    ///
    /// Without a source, only a stored model will do. If `model` is stored from other addresses than the source's, or
    /// with another hash than the stated one, what is stored is removed and the load begins afresh.
    ///
    /// # Errors
    /// `NotFound` without a source if the model is not stored completely; `Aborted`; `Quota`, `Storage`.
    pub async fn open(
        source: Option<S>,
        store: T,
        model: &str,
        options: LoadOptions,
        progress: &dyn Fn(Progress),
        cancel: &Cancel,
    ) -> Result<Self> {
        cancel.race(Self::open_waiting(source, store, model, options, progress, cancel)).await
    }

    async fn open_waiting(
        source: Option<S>,
        store: T,
        model: &str,
        options: LoadOptions,
        progress: &dyn Fn(Progress),
        cancel: &Cancel,
    ) -> Result<Self> {
        let counts = Counts::default();
        let mut warnings = Vec::from_iter(store.warning());
        let usable = async |manifest: &Option<Manifest>| match (manifest, &source) {
            (Some(manifest), source) if !manifest.complete || !fits(manifest, source.as_ref(), &options) => false,
            (Some(manifest), Some(source)) if options.update == Update::Replace => {
                !has_changed(source, manifest, &options).await
            }
            (manifest, _) => manifest.is_some(),
        };
        let mut manifest = read_manifest(&store, model).await?;
        let mut is_usable = usable(&manifest).await;
        // What is found once the lock is held may be otherwise than what was seen before, and take the other lock.
        let guard = loop {
            if !is_usable && source.is_none() {
                return Err(not_found(model, manifest.as_ref()));
            }
            let access = if is_usable { Access::Shared } else { Access::Alone };
            if store.is_locked(model, access).await {
                Meter::new(&counts, 0, progress).tell(Phase::Waiting);
            }
            let guard = store.lock(model, access).await?;
            let found = read_manifest(&store, model).await?;
            let was_usable = is_usable;
            if found != manifest {
                is_usable = usable(&found).await;
                manifest = found;
            }
            if is_usable == was_usable {
                break (access, guard);
            }
        };
        let is_of_use =
            |manifest: &Manifest| is_usable || (!manifest.complete && fits(manifest, source.as_ref(), &options));
        if manifest.as_ref().is_some_and(|manifest| !is_of_use(manifest)) {
            store.delete(model).await?;
            manifest = None;
            warnings.push(
                "what was stored of this model came from elsewhere, has changed there, or was damaged, and was replaced".into(),
            );
        }
        let manifest = manifest.unwrap_or_else(|| {
            let urls = source.iter().flat_map(|source| (0..source.n_files()).map(|file| source.url(file)));
            Manifest::new(model, urls, store.now_ms())
        });
        let files = Self::with(source, store, options, cancel, manifest);
        Ok(Self { guard: RefCell::new(Some(guard)), counts, warnings, ..files })
    }

    /// Opens `model` to look at its headers: nothing is stored, removed or waited for. What is stored of other addresses than the
    /// source's, or with another hash than the stated one, counts as not stored. Not for [`ModelFiles::stream`].
    ///
    /// # Errors
    /// As [`ModelFiles::open`], but never `Quota`.
    pub async fn peek(source: Option<S>, store: T, model: &str, options: LoadOptions, cancel: &Cancel) -> Result<Self> {
        let work = async {
            let stored = read_manifest(&store, model).await?;
            let usable = stored.filter(|manifest| fits(manifest, source.as_ref(), &options));
            let manifest = match (usable, &source) {
                (Some(manifest), Some(_)) => manifest,
                (Some(manifest), None) if manifest.complete => manifest,
                (manifest, None) => return Err(not_found(model, manifest.as_ref())),
                (None, Some(source)) => Manifest::new(model, (0..source.n_files()).map(|file| source.url(file)), 0.0),
            };
            Ok(Self { peeks: true, ..Self::with(source, store, options, cancel, manifest) })
        };
        cancel.race(work).await
    }

    fn with(source: Option<S>, store: T, options: LoadOptions, cancel: &Cancel, manifest: Manifest) -> Self {
        let remotes = manifest.files.iter().map(|file| {
            let (size, etag) = (file.size, file.etag.clone());
            let facts = Facts { size, etag, last_modified: file.last_modified.clone() };
            Remote { facts: RefCell::new(facts), pause: options.pause.clone(), ..Remote::default() }
        });
        Self {
            remotes: remotes.collect(),
            heads: manifest.files.iter().map(|_| RefCell::default()).collect(),
            source,
            store,
            options,
            cancel: cancel.clone(),
            manifest: RefCell::new(manifest),
            guard: RefCell::new(None),
            counts: Counts::default(),
            warnings: Vec::new(),
            peeks: false,
        }
    }

    /// Sets `is_outdated` if the files of a complete stored model are others by now; ends only then.
    pub(super) async fn watch_upstream(&self, is_outdated: &Cell<bool>) {
        let manifest = self.manifest.borrow().clone();
        let asks = manifest.complete && self.options.update == Update::Notice;
        if let Some(source) = self.source.as_ref().filter(|_| asks) {
            is_outdated.set(has_changed(source, &manifest, &self.options).await);
        }
        if !is_outdated.get() {
            std::future::pending().await
        }
    }
}

/// Does `work`; what goes on beside it is dropped when that has ended.
pub(super) async fn beside<R>(work: impl Future<Output = R>, other: impl Future<Output = ()>) -> R {
    let (mut work, mut other, mut is_over) = (pin!(work), pin!(other), false);
    std::future::poll_fn(|context| {
        is_over = is_over || other.as_mut().poll(context).is_ready();
        work.as_mut().poll(context)
    })
    .await
}

/// Whether one of the files is known to be another than the stored one. Where nobody answers, none is.
async fn has_changed<S: ByteSource>(source: &S, manifest: &Manifest, options: &LoadOptions) -> bool {
    for (file, entry) in manifest.files.iter().enumerate() {
        if options.sha256.get(file).copied().flatten().is_some() {
            continue;
        }
        let stored = Facts { size: entry.size, etag: entry.etag.clone(), last_modified: entry.last_modified.clone() };
        if source.facts(file).await.is_ok_and(|now| stored.differ(&now)) {
            return true;
        }
    }
    false
}

/// The stored manifest, if this version can read it.
pub(super) async fn read_manifest<T: ChunkStore>(store: &T, model: &str) -> Result<Option<Manifest>> {
    let manifest = store.manifest(model).await?;
    if manifest.as_ref().is_some_and(|manifest| manifest.schema > SCHEMA) {
        let message = "this model was stored by a newer version of doran; use that, or delete the model";
        return Err(Error::new(ErrorKind::Storage, message).with("name", model));
    }
    Ok(manifest)
}

/// Whether what is stored can be true, and is of the source's files, with the hashes that were stated.
fn fits<S: ByteSource>(manifest: &Manifest, source: Option<&S>, options: &LoadOptions) -> bool {
    let same_files = source.is_none_or(|source| {
        let urls = (0..source.n_files()).map(|file| source.url(file));
        manifest.files.iter().map(|file| &file.url).eq(urls.collect::<Vec<_>>().iter())
    });
    let same_hashes = manifest.files.iter().zip(&options.sha256).all(|(file, stated)| {
        let verified = file.sha256_verified.as_ref();
        verified.zip(*stated).is_none_or(|(verified, stated)| *verified == hex(&stated))
    });
    same_files && same_hashes && manifest.is_sound()
}

fn not_found(model: &str, manifest: Option<&Manifest>) -> Error {
    let (message, stored_bytes) = match manifest {
        None => ("no model of this name is stored", 0),
        Some(manifest) => ("the stored model is not complete or not the stated one", manifest.stored_bytes()),
    };
    Error::new(ErrorKind::NotFound, message).with("name", model).with("stored_bytes", stored_bytes)
}
