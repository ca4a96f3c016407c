//! A stored model's files as they came, out of the store again.

use super::cancel::Cancel;
use super::check::mark_damaged;
use super::open::read_manifest;
use super::progress::{Phase, Progress};
use super::store::{Access, ChunkStore};
use super::verify::has_hash;
use crate::{Error, ErrorKind, Result};

/// Reads every chunk of a stored model, in the files' order, holds it against its hash, and hands it to `take` with its file's number.
/// One chunk is in hand at a time. `progress` is told how far it is. Gives the files' addresses.
///
/// # Errors
/// `not_found` if no model is stored by that name; `bad_argument` if it is not whole; `bad_chunk` at the first chunk that is damaged, which
/// is marked as [`super::check_model`] marks it; `aborted`; what `take` and the store give.
pub async fn export_model<T: ChunkStore>(
    store: &T,
    model: &str,
    take: &mut dyn FnMut(usize, T::Bytes) -> Result<()>,
    progress: &dyn Fn(Progress),
    cancel: &Cancel,
) -> Result<Vec<String>> {
    let _guard = cancel.race(store.lock(model, Access::Shared)).await?;
    let Some(mut manifest) = read_manifest(store, model).await? else {
        let message = format!("no stored model is called {model:?}");
        return Err(Error::new(ErrorKind::NotFound, message).with("name", model));
    };
    let (total_bytes, stored_bytes) = (manifest.total_bytes(), manifest.stored_bytes());
    if !manifest.complete || !manifest.is_sound() {
        let message = format!("{model:?} is not stored whole: load it from its address to the end, and export it then");
        let error = Error::bad_argument("name", message).with("name", model);
        return Err(error.with("stored_bytes", stored_bytes).with("total_bytes", total_bytes));
    }
    let mut loaded_bytes = 0;
    let mut damaged = None;
    for (file, index, chunk) in manifest.chunks() {
        cancel.check()?;
        match store.chunk(model, file, index).await? {
            Some(bytes) if has_hash(&bytes, chunk.len, chunk.sha256.as_deref()).await? => take(file, bytes)?,
            _ => {
                damaged = Some((file, index));
                break;
            }
        }
        loaded_bytes += chunk.len;
        let phase = Phase::Loading;
        progress(Progress { phase, loaded_bytes, total_bytes, from_store_bytes: loaded_bytes, downloaded_bytes: 0 });
    }
    if let Some((file, index)) = damaged {
        mark_damaged(&mut manifest, &[(file, index)]);
        store.put_manifest(&manifest).await?;
        let message = "a stored chunk is not what was written any more; the next load fetches it again";
        let error = Error::new(ErrorKind::BadChunk, message).with("name", model);
        return Err(error.with("file", file).with("chunk", index));
    }
    Ok(manifest.files.into_iter().map(|file| file.url).collect())
}
