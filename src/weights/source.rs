//! Where bytes come from: the trait that network, files and test doubles implement.
//!
//! A source only reports what the other side says (status, headers) and hands on the body piece by piece; whether that
//! can be true is judged in one place, `download.rs`, so that every rule there is tested without a network. Dropping a
//! read or a body ends the request.

use std::any::Any;
use std::ops::Range;

use crate::Result;

/// A run of bytes that is cheap to clone and slice. On the web it is a `Uint8Array` outside the wasm heap.
#[allow(async_fn_in_trait, reason = "everything here runs on one thread, so no future needs Send")]
#[allow(
    clippy::len_without_is_empty,
    reason = "a length in u64, for arithmetic with file offsets; nobody asks is_empty"
)]
pub trait Bytes: Clone + 'static {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Bytes `start..end`, sharing memory. Bounds beyond the length are cut to it.
    fn slice(&self, start: u64, end: u64) -> Self;

    /// Copies everything into `out`, which must be exactly as long.
    fn copy_to(&self, out: &mut [u8]);

    /// A copy in the (wasm) heap.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = vec![0; self.len() as usize];
        self.copy_to(&mut out);
        out
    }

    /// One run out of several, in order, with memory of its own.
    ///
    /// # Errors
    /// `OutOfMemory` where the platform has no room.
    fn concat(parts: &[Self]) -> Result<Self>;

    /// These bytes.
    ///
    /// # Errors
    /// `OutOfMemory` where the platform has no room.
    fn from_vec(bytes: Vec<u8>) -> Result<Self>;

    /// SHA-256.
    ///
    /// # Errors
    /// `Internal` where the platform's digest fails.
    async fn sha256(&self) -> Result<[u8; 32]>;

    /// For those who know which bytes the platform has.
    fn as_any(&self) -> &dyn Any;
}

/// What is known of a file on the other side, and must not change while it is downloaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Size in bytes.
    pub size: Option<u64>,
    /// `ETag`, where readable.
    pub etag: Option<String>,
    /// `Last-Modified`, where readable.
    pub last_modified: Option<String>,
}

impl Facts {
    /// Whether another file is there than the one that `now` tells of. What one of the two does not know says nothing.
    pub fn differ(&self, now: &Self) -> bool {
        fn other<T: PartialEq>(known: &Option<T>, said: &Option<T>) -> bool {
            matches!((known, said), (Some(known), Some(said)) if known != said)
        }
        let same_etag = self.etag.is_some() && self.etag == now.etag;
        let other_date = !same_etag && other(&self.last_modified, &now.last_modified);
        other(&self.size, &now.size) || other(&self.etag, &now.etag) || other_date
    }
}

/// What the other side answered, as it said it; nothing here is checked.
#[derive(Debug)]
pub struct Reply<B> {
    /// HTTP status. Local sources answer 206.
    pub status: u16,
    /// `Content-Range`, where readable.
    pub content_range: Option<String>,
    /// `Content-Length`, where readable.
    pub content_length: Option<u64>,
    /// `Content-Encoding`, where readable. With one, lengths are not those of the bytes that arrive.
    pub content_encoding: Option<String>,
    /// `ETag`, where readable.
    pub etag: Option<String>,
    /// `Last-Modified`, where readable.
    pub last_modified: Option<String>,
    /// `Retry-After`, where readable.
    pub retry_after: Option<String>,
    /// Whether it came from an address that another led to, such as a signed one, which may expire.
    pub resolved: bool,
    /// The body, not yet read.
    pub body: B,
}

impl<B> Reply<B> {
    /// The same answer with another body.
    pub fn map<C>(self, body: impl FnOnce(B) -> C) -> Reply<C> {
        let Self {
            status,
            content_range,
            content_length,
            content_encoding,
            etag,
            last_modified,
            retry_after,
            resolved,
            body: own,
        } = self;
        let body = body(own);
        Reply {
            status,
            content_range,
            content_length,
            content_encoding,
            etag,
            last_modified,
            retry_after,
            resolved,
            body,
        }
    }
}

/// A body that is pulled piece by piece; not pulling it is what holds the sender back.
#[allow(async_fn_in_trait, reason = "everything here runs on one thread, so no future needs Send")]
pub trait Body {
    /// What the pieces are.
    type Bytes: Bytes;

    /// The next piece, or `None` at the end.
    ///
    /// # Errors
    /// `Network` without a `status` where the connection broke: what came before stays valid.
    async fn next(&mut self) -> Result<Option<Self::Bytes>>;
}

/// The files of one model, somewhere.
#[allow(async_fn_in_trait, reason = "everything here runs on one thread, so no future needs Send")]
pub trait ByteSource {
    /// What pieces are.
    type Bytes: Bytes;
    /// What reads give.
    type Body: Body<Bytes = Self::Bytes>;

    /// How many files the model has.
    fn n_files(&self) -> usize;

    /// The address of a file as the caller gave it, without secrets (see [`super::secrets::canonical_url`]); this is what is stored.
    fn url(&self, file: usize) -> String;

    /// Asks for bytes `range` of a file, or for all of it where `None`. Every HTTP status is an `Ok` reply.
    ///
    /// # Errors
    /// `Network` without a `status` if there was no answer.
    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<Self::Body>>;

    /// What the other side says of a file by another way than reading it (`HEAD`): for servers whose replies do not say its size, and to
    /// see whether it is still the same. Nothing is known where it answers with an error.
    ///
    /// # Errors
    /// `Network` if there was no answer.
    async fn facts(&self, file: usize) -> Result<Facts>;

    /// Whether there is a network, as far as the platform knows.
    fn has_network(&self) -> bool {
        true
    }

    /// Waits until there is one.
    async fn network(&self) {}

    /// Bytes that came over the network, where these are others than the bodies gave.
    fn downloaded_bytes(&self) -> Option<u64> {
        None
    }

    /// Waits, between retries.
    async fn sleep(&self, millis: u64);

    /// A number in `0.0..1.0`, to spread retries.
    fn random(&self) -> f64;
}
