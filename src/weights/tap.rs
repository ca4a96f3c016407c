//! Files read over connections that break, for a source that gives another form of what it reads ([`ByteSource`] over
//! [`ByteSource`]). Answers are judged and connections tried again as `download.rs` does.

use std::rc::Rc;

use super::download::{Open, Ranges, Reader, Remote};
use super::progress::{Counts, Meter};
use super::source::ByteSource;
use crate::Result;

/// A source, with what is known of its files.
pub struct Upstream<S: ByteSource> {
    source: S,
    remotes: Vec<Remote>,
    counts: Counts,
}

impl<S: ByteSource> Upstream<S> {
    /// The files of a source, of which nothing is known.
    pub fn new(source: S) -> Self {
        let remotes = (0..source.n_files()).map(|_| Remote::default()).collect();
        Self { source, remotes, counts: Counts::default() }
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The size of a file in bytes; `None` until some of it was read.
    pub fn size(&self, file: usize) -> Option<u64> {
        self.remotes[file].facts.borrow().size
    }

    /// `ETag` and `Last-Modified` of a file of which some was read, where it has any.
    pub fn validators(&self, file: usize) -> (Option<String>, Option<String>) {
        let facts = self.remotes[file].facts.borrow();
        (facts.etag.clone(), facts.last_modified.clone())
    }

    /// Whether the server of a file was found not to do what `Range` asks: it has only the whole file.
    pub fn ignores_ranges(&self, file: usize) -> bool {
        self.remotes[file].ranges.get() == Ranges::Denied
    }

    /// Bytes that came by taps.
    pub fn downloaded_bytes(&self) -> u64 {
        self.counts.downloaded_bytes.get()
    }
}

/// One file of an [`Upstream`], read in order. Dropping it ends its request.
pub struct Tap<S: ByteSource> {
    upstream: Rc<Upstream<S>>,
    file: usize,
    open: Option<Open<S::Body>>,
}

impl<S: ByteSource> Tap<S> {
    /// A reader of a file.
    pub fn new(upstream: &Rc<Upstream<S>>, file: usize) -> Self {
        Self { upstream: Rc::clone(upstream), file, open: None }
    }

    /// What comes next of bytes `pos..limit`, beginning with byte `pos`; `None` at the file's end. Requests ask for bytes up to
    /// `end`. The connection is kept where `pos` is where the last piece ended.
    ///
    /// # Errors
    /// `Network`, after all tries. If it says that ranges cannot be trusted, pieces that came before it may be wrong.
    pub async fn next(&mut self, pos: u64, limit: u64, end: u64) -> Result<Option<S::Bytes>> {
        let Upstream { source, remotes, counts } = &*self.upstream;
        let size = self.upstream.size(self.file).unwrap_or(u64::MAX);
        if pos >= size {
            return Ok(None);
        }
        let meter = Meter::new(counts, 0, &|_| {});
        let mut reader = Reader::new(source, self.file, &remotes[self.file], &meter);
        reader.resume(self.open.take());
        reader.seek(pos, end.min(size));
        let piece = reader.next(limit).await;
        if let Err(error) = &piece {
            reader.distrusts(error);
        }
        self.open = reader.take_open();
        piece
    }
}
