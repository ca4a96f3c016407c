//! The manifest: what the store holds of one model, and what is known of it. The truth about presence.
//!
//! Headers, tokens and signed addresses are never in it.

use serde::{Deserialize, Serialize};

/// The version that this code writes. A manifest of a newer version is refused, never deleted.
pub const SCHEMA: u32 = 1;

/// One model: its files, and which of their chunks are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this record's shape.
    pub schema: u32,
    /// The name that the caller gave the model; the key.
    pub model: String,
    /// The files, in the source's order.
    pub files: Vec<FileEntry>,
    /// Set last: every chunk of every file is stored, and has the hash that was stated, where one was.
    pub complete: bool,
    /// Milliseconds since 1970.
    pub created_ms: f64,
    /// Milliseconds since 1970.
    pub last_used_ms: f64,
    /// Milliseconds since 1970 of the last time that every chunk was held against its hash and none was damaged: by a load, which
    /// hashes all that it reads or fetches, or by a check. Manifests of before this was noted lack it, and readers of then
    /// leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_ms: Option<f64>,
}

/// One file of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The address as the caller gave it, without secrets.
    pub url: String,
    /// Size in bytes; `None` until the other side said it.
    pub size: Option<u64>,
    /// `ETag` of the first reply, where readable.
    pub etag: Option<String>,
    /// `Last-Modified` of the first reply, where readable.
    pub last_modified: Option<String>,
    /// The SHA-256 that this file was checked to have, in hex.
    pub sha256_verified: Option<String>,
    /// The chunks, covering the file without gaps; empty until planned.
    pub chunks: Vec<ChunkEntry>,
}

/// One chunk of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// First byte in the file.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// SHA-256 in hex, recorded when the chunk first arrived. Once known, only bytes that have it are taken.
    pub sha256: Option<String>,
    /// XXH64 in hex, which loads hold what they read back against. Manifests of before this was noted lack it: there it is the SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xxh64: Option<String>,
    /// Whether the chunk store holds it.
    pub stored: bool,
}

impl FileEntry {
    /// Whether its chunks cover it one after the other, and what is said of them can be true.
    fn is_sound(&self) -> bool {
        let is_hash = |hash: &Option<String>| hash.as_deref().is_none_or(|text| unhex(text).is_some());
        let mut end = 0u64;
        for chunk in &self.chunks {
            let is_right = chunk.start == end && chunk.len > 0 && is_hash(&chunk.sha256);
            // A chunk's hash is known from when it first came.
            if !is_right || (chunk.stored && chunk.sha256.is_none()) {
                return false;
            }
            end = match end.checked_add(chunk.len) {
                Some(end) => end,
                None => return false,
            };
        }
        (self.chunks.is_empty() || self.size == Some(end)) && is_hash(&self.sha256_verified)
    }

    /// Whether all of it is stored.
    fn is_stored(&self) -> bool {
        let is_planned = !self.chunks.is_empty() || self.size == Some(0);
        is_planned && self.chunks.iter().all(|chunk| chunk.stored)
    }
}

/// Whether files are known to be what their publisher says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Every file has the whole-file SHA-256 that the caller stated.
    Verified,
    /// Nobody stated a hash for some file: its chunks are as they first arrived, but that is all that is known.
    Unverified,
}

impl Integrity {
    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
        }
    }
}

impl Manifest {
    /// A model of which nothing is known but its name and addresses.
    pub fn new(model: &str, urls: impl IntoIterator<Item = String>, now_ms: f64) -> Self {
        let files = urls.into_iter().map(|url| FileEntry { url, ..FileEntry::default() }).collect();
        let model = model.to_owned();
        let complete = false;
        Self { schema: SCHEMA, model, files, complete, created_ms: now_ms, last_used_ms: now_ms, verified_ms: None }
    }

    /// Whether it can be true. What a store gives back may be damaged, or written by something else: then it counts as none.
    pub fn is_sound(&self) -> bool {
        self.files.iter().all(FileEntry::is_sound)
            && (!self.complete || self.is_whole())
            && self.created_ms.is_finite()
            && self.last_used_ms.is_finite()
    }

    /// Whether every chunk of every file is stored.
    pub fn is_whole(&self) -> bool {
        self.files.iter().all(FileEntry::is_stored)
    }

    /// Takes for stored only what is so by `kept` too, which is in the store by now.
    pub fn forget_beyond(&mut self, kept: Option<&Self>) {
        for (f, file) in self.files.iter_mut().enumerate() {
            let kept = kept.and_then(|kept| kept.files.get(f)).map(|file| &file.chunks[..]).unwrap_or_default();
            for (i, chunk) in file.chunks.iter_mut().enumerate() {
                chunk.stored &= kept.get(i).is_some_and(|kept| kept.stored && kept.sha256 == chunk.sha256);
            }
        }
        self.complete &= self.is_whole();
    }

    /// Bytes of all files whose size is known.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Bytes of the chunks that are stored.
    pub fn stored_bytes(&self) -> u64 {
        self.chunks().filter(|(_, _, chunk)| chunk.stored).map(|(_, _, chunk)| chunk.len).fold(0, u64::saturating_add)
    }

    /// All chunks, with file and index.
    pub fn chunks(&self) -> impl Iterator<Item = (usize, usize, &ChunkEntry)> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(f, file)| file.chunks.iter().enumerate().map(move |(i, chunk)| (f, i, chunk)))
    }

    /// Whether every file was checked against a stated hash.
    pub fn integrity(&self) -> Integrity {
        if !self.files.is_empty() && self.files.iter().all(|file| file.sha256_verified.is_some()) {
            Integrity::Verified
        } else {
            Integrity::Unverified
        }
    }
}

/// Lower-case hex of a hash.
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash from its hex, or `None` if it is not one.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(hash)
}
