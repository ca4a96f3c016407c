//! Bytes from a file on disk: the native end of [`ByteSource`].

#![cfg(not(target_arch = "wasm32"))]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::source::{Body, ByteSource, Facts, Reply};
use super::vec_bytes::VecBytes;
use crate::{Error, ErrorKind, Result};

/// Bytes of one piece.
const PIECE_BYTES: u64 = 1 << 20;

/// A model's files on disk, in the order given.
#[derive(Debug)]
pub struct FileSource {
    paths: Vec<PathBuf>,
}

impl FileSource {
    /// The files of one model.
    pub fn new(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        Self { paths: paths.into_iter().map(|path| path.as_ref().to_owned()).collect() }
    }

    fn open(&self, file: usize) -> Result<(File, u64, Option<String>)> {
        let path = self.paths.get(file).ok_or_else(|| Error::internal(format!("there is no file {file}")))?;
        let failed = |error: std::io::Error| failed(&error).with("url", self.url(file));
        let handle = File::open(path).map_err(failed)?;
        let metadata = handle.metadata().map_err(failed)?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok((handle, metadata.len(), modified.map(|since| since.as_millis().to_string())))
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("the file cannot be read: {error}"))
}

/// What is left to read of an open file.
#[derive(Debug)]
pub struct FileBody {
    handle: File,
    left_bytes: u64,
}

impl Body for FileBody {
    type Bytes = VecBytes;

    async fn next(&mut self) -> Result<Option<VecBytes>> {
        if self.left_bytes == 0 {
            return Ok(None);
        }
        let mut piece = Vec::new();
        let read = (&mut self.handle).take(self.left_bytes.min(PIECE_BYTES)).read_to_end(&mut piece);
        read.map_err(|error| failed(&error))?;
        self.left_bytes -= piece.len() as u64;
        if piece.is_empty() {
            self.left_bytes = 0;
            return Ok(None);
        }
        Ok(Some(piece.into()))
    }
}

impl ByteSource for FileSource {
    type Bytes = VecBytes;
    type Body = FileBody;

    fn n_files(&self) -> usize {
        self.paths.len()
    }

    fn url(&self, file: usize) -> String {
        self.paths.get(file).map(|path| path.display().to_string()).unwrap_or_default()
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<FileBody>> {
        let (mut handle, size, last_modified) = self.open(file)?;
        let range = range.unwrap_or(0..size);
        let (start, end) = (range.start.min(size), range.end.min(size));
        handle.seek(SeekFrom::Start(start)).map_err(|error| failed(&error))?;
        let left_bytes = end.saturating_sub(start);
        Ok(Reply {
            status: if left_bytes == 0 { 416 } else { 206 },
            content_range: Some(format!("bytes {start}-{}/{size}", end.saturating_sub(1))),
            content_length: Some(left_bytes),
            content_encoding: None,
            etag: None,
            last_modified,
            retry_after: None,
            resolved: false,
            body: FileBody { handle, left_bytes },
        })
    }

    async fn facts(&self, file: usize) -> Result<Facts> {
        let (_, size, last_modified) = self.open(file)?;
        Ok(Facts { size: Some(size), etag: None, last_modified })
    }

    async fn sleep(&self, _millis: u64) {}

    fn random(&self) -> f64 {
        0.0
    }
}
