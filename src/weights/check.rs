//! Looking after what is stored: whether it is still what was written, and what to give up where there is no more room.

use super::cancel::Cancel;
use super::manifest::Manifest;
use super::progress::{Phase, Progress};
use super::store::{Access, ChunkStore};
use super::verify::has_hash;
use crate::{Error, ErrorKind, Result};

/// What a check of a stored model found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Chunks that the manifest says are stored.
    pub chunks: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are missing or not what was written. The next load fetches these again, and only these.
    pub damaged: usize,
}

/// Reads every stored chunk of a model and holds it against the hash that was recorded when it came. `progress` is told how
/// far it is.
///
/// # Errors
/// `not_found` if no model is stored by that name; `aborted`; what the store gives.
pub async fn check_model<T: ChunkStore>(
    store: &T,
    model: &str,
    progress: &dyn Fn(Progress),
    cancel: &Cancel,
) -> Result<Checked> {
    let _guard = cancel.race(store.lock(model, Access::Alone)).await?;
    let Some(mut manifest) = store.manifest(model).await? else {
        let message = format!("no stored model is called {model:?}");
        return Err(Error::new(ErrorKind::NotFound, message).with("name", model));
    };
    let total_bytes = manifest.stored_bytes();
    let mut checked = Checked::default();
    let mut damaged = Vec::new();
    for (file, index, chunk) in manifest.chunks().filter(|(_, _, chunk)| chunk.stored) {
        cancel.check()?;
        let is_right = match store.chunk(model, file, index).await? {
            Some(bytes) => has_hash(&bytes, chunk.len, chunk.sha256.as_deref()).await?,
            None => false,
        };
        if !is_right {
            damaged.push((file, index));
        }
        checked.chunks += 1;
        checked.bytes += chunk.len;
        progress(Progress {
            phase: Phase::Loading,
            loaded_bytes: checked.bytes,
            total_bytes,
            from_store_bytes: checked.bytes,
            downloaded_bytes: 0,
        });
    }
    checked.damaged = damaged.len();
    if damaged.is_empty() {
        if manifest.complete {
            manifest.verified_ms = Some(store.now_ms());
            // What was found is what was asked for; a disk that is full keeps an older date.
            let _ = store.put_manifest(&manifest).await;
        }
        return Ok(checked);
    }
    mark_damaged(&mut manifest, &damaged);
    store.put_manifest(&manifest).await?;
    Ok(checked)
}

/// Notes that these chunks, by file and index, are to be fetched again.
pub(super) fn mark_damaged(manifest: &mut Manifest, damaged: &[(usize, usize)]) {
    for (file, index) in damaged {
        manifest.files[*file].chunks[*index].stored = false;
    }
    manifest.complete = false;
    manifest.verified_ms = None;
}

/// Removes the model that was not used for the longest time, other than `keep` and those that somebody works on. Gives its name;
/// `None` if there is none to remove.
///
/// # Errors
/// `aborted`; what the store gives.
pub async fn evict_oldest<T: ChunkStore>(store: &T, keep: &str, cancel: &Cancel) -> Result<Option<String>> {
    let mut models = store.list().await?;
    models.sort_by(|a, b| a.last_used_ms.total_cmp(&b.last_used_ms));
    for manifest in models {
        if manifest.model == keep
            || manifest.stored_bytes() == 0
            || store.is_locked(&manifest.model, Access::Alone).await
        {
            continue;
        }
        super::delete_model(store, &manifest.model, cancel).await?;
        return Ok(Some(manifest.model));
    }
    Ok(None)
}
