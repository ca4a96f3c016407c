//! A store in a directory on disk, for native programs.
//!
//! A model is a folder named by the hash of its name, with `manifest.json`, one file a chunk, and `lock`. A chunk is
//! renamed into place before the manifest that says so: a crash between the two leaves a file that nothing refers to.

#![cfg(not(target_arch = "wasm32"))]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::manifest::{Manifest, hex};
use super::store::{Access, ChunkStore, Usage};
use super::vec_bytes::VecBytes;
use crate::{Error, ErrorKind, Result};

/// Chunks in a directory.
#[derive(Clone, Debug)]
pub struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// A store in `root`, which is made when something is stored.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned() }
    }

    fn folder(&self, model: &str) -> PathBuf {
        self.root.join(hex(&Sha256::digest(model).into()))
    }

    fn write(&self, model: &str, name: &str, bytes: &[u8], durable: bool) -> Result<()> {
        let folder = self.folder(model);
        let write = || {
            fs::create_dir_all(&folder)?;
            let half_written = folder.join(format!("{name}.part"));
            let mut file = File::create(&half_written)?;
            file.write_all(bytes)?;
            if durable {
                file.sync_all()?;
            }
            fs::rename(half_written, folder.join(name))
        };
        write().map_err(|error| failed(&error, bytes.len()))
    }

    fn put(&self, manifest: &Manifest, durable: bool) -> Result<()> {
        let json = serde_json::to_vec(manifest).map_err(|error| Error::internal(error.to_string()))?;
        self.write(&manifest.model, "manifest.json", &json, durable)
    }
}

fn failed(error: &io::Error, needed_bytes: usize) -> Error {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Error::new(ErrorKind::Quota, "the disk is full").with("needed_bytes", needed_bytes);
    }
    Error::new(ErrorKind::Storage, format!("the model directory: {error}"))
}

/// The bytes of a file, or `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&error, 0)),
    }
}

fn chunk_name(file: usize, index: usize) -> String {
    format!("{file}-{index}.chunk")
}

impl ChunkStore for DirectoryStore {
    type Bytes = VecBytes;
    /// Holds a lock on the folder's `lock` file.
    type Guard = File;

    async fn manifest(&self, model: &str) -> Result<Option<Manifest>> {
        let json = read(&self.folder(model).join("manifest.json"))?;
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.put(manifest, false)
    }

    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &VecBytes) -> Result<()> {
        self.write(&manifest.model, &chunk_name(file, index), bytes.as_slice(), false)?;
        self.put(manifest, false)
    }

    async fn put_complete(&self, manifest: &Manifest) -> Result<()> {
        self.put(manifest, true)
    }

    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<VecBytes>> {
        Ok(read(&self.folder(model).join(chunk_name(file, index)))?.map(VecBytes::from))
    }

    async fn list(&self) -> Result<Vec<Manifest>> {
        let folders = match fs::read_dir(&self.root) {
            Ok(folders) => folders,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&error, 0)),
        };
        let jsons = folders.flatten().filter_map(|folder| fs::read(folder.path().join("manifest.json")).ok());
        Ok(jsons.filter_map(|json| serde_json::from_slice(&json).ok()).collect())
    }

    async fn delete(&self, model: &str) -> Result<()> {
        // The manifest goes first, so that a crash leaves nothing that claims to be there.
        let folder = self.folder(model);
        let delete = || {
            match fs::remove_file(folder.join("manifest.json")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        delete().map_err(|error| failed(&error, 0))
    }

    async fn usage(&self) -> Result<Usage> {
        let models = self.list().await?;
        let used_bytes = Some(models.iter().map(Manifest::stored_bytes).sum());
        Ok(Usage { used_bytes, quota_bytes: None, persisted: true })
    }

    /// Does not wait: another process that has the lock is an error.
    async fn lock(&self, model: &str, access: Access) -> Result<File> {
        let folder = self.folder(model);
        let open = || {
            fs::create_dir_all(&folder)?;
            File::create(folder.join("lock"))
        };
        let file = open().map_err(|error| failed(&error, 0))?;
        let locked = match access {
            Access::Shared => file.try_lock_shared(),
            Access::Alone => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(file),
            Err(_) => Err(Error::new(ErrorKind::Storage, "another program is loading this model").with("name", model)),
        }
    }

    async fn is_locked(&self, _model: &str, _access: Access) -> bool {
        false
    }

    fn now_ms(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64)
    }

    fn warning(&self) -> Option<String> {
        None
    }
}
