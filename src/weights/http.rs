//! The web end of [`ByteSource`]: `fetch`, and files that the reader picked. Bytes stay JavaScript buffers.
//!
//! Requests carry a plain `Range` (which needs no preflight) and `cache: "no-store"`: the store is the cache, the
//! browser's own would keep every weight a second time, and it serialises requests for one address. Dropping a body or
//! a pending read aborts the request.
#![cfg(target_arch = "wasm32")]

use std::any::Any;
use std::ops::Range;

use js_sys::{Array, ArrayBuffer, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Blob, File, ReadableStreamDefaultReader, Response};

use super::judge::ContentRange;
use super::secrets::Origin;
use super::source::{Body, ByteSource, Bytes, Facts, Reply};
use super::verify::sha256_in_windows;
use crate::{Error, ErrorKind, Result};

/// Milliseconds between two looks whether the network is back.
const ON_LINE_POLL_MS: u64 = 250;
/// Bytes of a picked file that are read at once.
const BLOB_PIECE_BYTES: u64 = 4 << 20;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch, catch)]
    fn global_fetch(url: &str, init: &Object) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = digest, catch)]
    fn subtle_digest(algorithm: &str, data: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: f64) -> JsValue;
}

/// What a JavaScript exception says, as an error of `kind`.
pub(super) fn js_error(kind: ErrorKind, doing: &str, thrown: &JsValue) -> Error {
    let text = |key: &str| Reflect::get(thrown, &key.into()).ok().and_then(|value| value.as_string());
    let message = text("message").or_else(|| thrown.as_string()).unwrap_or_default();
    let name = text("name").unwrap_or_default();
    Error::new(kind, format!("{doing}: {message}")).with("name", name)
}

/// Sets a property of a plain object.
pub(super) fn set(object: &Object, key: &str, value: impl Into<JsValue>) {
    Reflect::set(object, &key.into(), &value.into()).expect("a plain object takes any property");
}

/// Whether the browser believes that there is a network.
fn is_on_line() -> bool {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into());
    let on_line = navigator.and_then(|navigator| Reflect::get(&navigator, &"onLine".into()));
    on_line.ok().and_then(|value| value.as_bool()).unwrap_or(true)
}

/// Waits, by `setTimeout`.
pub(crate) async fn sleep(millis: u64) {
    let promise = Promise::new(&mut |resolve, _| {
        set_timeout(&resolve, millis as f64);
    });
    // It never rejects.
    let _ = JsFuture::from(promise).await;
}

/// Bytes outside the wasm heap.
///
/// The array may be a view of a larger buffer; whoever hands it to structured cloning must copy it first, or the whole
/// buffer goes along.
#[derive(Clone, Debug)]
pub struct JsBytes(pub Uint8Array);

/// An array of so many bytes. `Uint8Array::new_with_length` would let the RangeError of a full heap escape through wasm.
fn room(n_bytes: u64) -> Result<Uint8Array> {
    let failed = |thrown: JsValue| {
        js_error(ErrorKind::OutOfMemory, "no room for a chunk", &thrown).with("needed_bytes", n_bytes)
    };
    let constructor = Reflect::get(&js_sys::global(), &"Uint8Array".into()).map_err(failed)?;
    let arguments = Array::of1(&JsValue::from(n_bytes as f64));
    let whole = Reflect::construct(constructor.unchecked_ref::<Function>(), &arguments).map_err(failed)?;
    Ok(whole.unchecked_into())
}

impl Bytes for JsBytes {
    fn len(&self) -> u64 {
        u64::from(self.0.length())
    }

    fn slice(&self, start: u64, end: u64) -> Self {
        let end = end.min(self.len());
        Self(self.0.subarray(start.min(end) as u32, end as u32))
    }

    fn copy_to(&self, out: &mut [u8]) {
        self.0.copy_to(out);
    }

    fn concat(parts: &[Self]) -> Result<Self> {
        let whole = room(parts.iter().map(Self::len).sum())?;
        let mut at = 0;
        for part in parts {
            whole.set(&part.0, at);
            at += part.0.length();
        }
        Ok(Self(whole))
    }

    fn from_vec(bytes: Vec<u8>) -> Result<Self> {
        let whole = room(bytes.len() as u64)?;
        whole.copy_from(&bytes);
        Ok(Self(whole))
    }

    async fn sha256(&self) -> Result<[u8; 32]> {
        // Pages without a secure context have no WebCrypto.
        let Ok(promise) = subtle_digest("SHA-256", &self.0) else { return Ok(sha256_in_windows(self)) };
        let digest = JsFuture::from(promise).await;
        let digest = digest.map_err(|thrown| js_error(ErrorKind::Internal, "hashing a chunk", &thrown))?;
        let mut hash = [0; 32];
        let digest = Uint8Array::new(&digest);
        if digest.length() != 32 {
            return Err(Error::internal("a SHA-256 that is not 32 bytes long"));
        }
        digest.copy_to(&mut hash);
        Ok(hash)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A model's files at addresses.
#[derive(Debug)]
pub struct HttpSource {
    origin: Origin,
    fetch: Option<Function>,
}

impl HttpSource {
    /// The files at `urls`. `headers` go with each request and are never stored; with other than the simplest ones,
    /// requests to other origins cost a preflight. `fetch` replaces the global one.
    pub fn new(urls: Vec<String>, headers: Vec<(String, String)>, fetch: Option<Function>) -> Self {
        Self { origin: Origin::new(urls, headers), fetch }
    }

    async fn request(&self, file: usize, method: &str, range: Option<Range<u64>>) -> Result<(Response, Connection)> {
        let url = self.origin.secret_url(file).ok_or_else(|| Error::internal(format!("there is no file {file}")))?;
        // A browser's exceptions quote addresses and headers.
        let told = |kind: ErrorKind, doing: &str, thrown: &JsValue| {
            js_error(kind, doing, thrown).retold(|message| self.origin.redacted(message))
        };
        let failed = |thrown: JsValue| told(ErrorKind::Network, "the request failed", &thrown);
        let headers = Array::new();
        for (name, value) in self.origin.secret_headers() {
            headers.push(&Array::of2(&name.into(), &value.into()));
        }
        if let Some(range) = range {
            let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            headers.push(&Array::of2(&"Range".into(), &value.into()));
        }
        let connection = Connection { abort: AbortController::new().map_err(failed)?, reader: None };
        let init = Object::new();
        set(&init, "method", method);
        set(&init, "headers", headers);
        set(&init, "cache", "no-store");
        set(&init, "signal", connection.abort.signal());
        let promise = match &self.fetch {
            Some(fetch) => fetch.call2(&JsValue::UNDEFINED, &url.into(), &init).map(|value| Promise::resolve(&value)),
            None => global_fetch(url, &init),
        };
        // What `fetch` throws at once is a fault of the arguments (an address or header that is none).
        let promise = promise.map_err(|thrown| {
            told(ErrorKind::BadArgument, "the request cannot be made", &thrown).with("argument", "url")
        })?;
        let response = JsFuture::from(promise).await.map_err(failed)?;
        let response = response.dyn_into().map_err(|_| Error::bad_argument("fetch", "fetch gave no Response"))?;
        Ok((response, connection))
    }
}

/// A header of an answer, where there is one that may be read.
fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// `Content-Length`, where it may be read.
fn content_length(response: &Response) -> Option<u64> {
    header(response, "content-length")?.trim().parse().ok()
}

/// What an answer to a `HEAD` tells of the whole file.
fn facts_of(answer: &Response) -> Facts {
    if !answer.ok() {
        return Facts::default();
    }
    let size = match answer.status() {
        206 => header(answer, "content-range").and_then(|range| ContentRange::parse(&range)?.total),
        _ => content_length(answer),
    };
    Facts { size, etag: header(answer, "etag"), last_modified: header(answer, "last-modified") }
}

/// Ends its request when dropped.
#[derive(Debug)]
struct Connection {
    abort: AbortController,
    reader: Option<ReadableStreamDefaultReader>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.abort.abort();
        if let Some(reader) = &self.reader {
            // The promise rejects if the stream failed, which nobody needs to hear of again.
            forget(&reader.cancel());
        }
    }
}

/// Keeps a rejected promise from being reported as unhandled.
fn forget(promise: &Promise) {
    thread_local! {
        static IGNORE: Closure<dyn FnMut(JsValue)> = Closure::new(|_| {});
    }
    IGNORE.with(|ignore| drop(promise.catch(ignore)));
}

/// A body from the network or of a picked file.
#[derive(Debug)]
pub enum WebBody {
    /// Network.
    Http(HttpBody),
    /// Picked file.
    Blob(BlobBody),
}

/// A response's body.
#[derive(Debug)]
pub struct HttpBody {
    connection: Connection,
}

/// What is left of a picked file.
#[derive(Debug)]
pub struct BlobBody {
    blob: Blob,
    range: Range<u64>,
}

impl Body for WebBody {
    type Bytes = JsBytes;

    async fn next(&mut self) -> Result<Option<JsBytes>> {
        match self {
            Self::Http(body) => body.next().await,
            Self::Blob(body) => body.next().await,
        }
    }
}

impl HttpBody {
    async fn next(&mut self) -> Result<Option<JsBytes>> {
        let Some(reader) = &self.connection.reader else { return Ok(None) };
        let read = JsFuture::from(reader.read()).await;
        let read = read.map_err(|thrown| js_error(ErrorKind::Network, "the connection broke", &thrown))?;
        let get = |key: &str| Reflect::get(&read, &key.into()).unwrap_or(JsValue::UNDEFINED);
        if get("done").is_truthy() {
            return Ok(None);
        }
        let piece = get("value").dyn_into::<Uint8Array>();
        Ok(Some(JsBytes(piece.map_err(|_| Error::bad_argument("fetch", "the body is not made of bytes"))?)))
    }
}

impl BlobBody {
    async fn next(&mut self) -> Result<Option<JsBytes>> {
        let Range { start, end } = self.range;
        if start >= end {
            return Ok(None);
        }
        let until = end.min(start + BLOB_PIECE_BYTES);
        let failed = |thrown: JsValue| js_error(ErrorKind::Storage, "the picked file cannot be read", &thrown);
        let part = self.blob.slice_with_f64_and_f64(start as f64, until as f64).map_err(failed)?;
        let buffer = JsFuture::from(part.array_buffer()).await.map_err(failed)?;
        let piece = Uint8Array::new(&buffer.unchecked_into::<ArrayBuffer>());
        self.range.start = until;
        Ok(Some(JsBytes(piece)))
    }
}

/// A model's files at addresses, or picked by the reader.
#[derive(Debug)]
pub enum WebSource {
    /// At addresses.
    Http(HttpSource),
    /// Picked: `File`s or `Blob`s.
    Blobs(Vec<Blob>),
}

impl From<HttpSource> for WebSource {
    fn from(source: HttpSource) -> Self {
        Self::Http(source)
    }
}

impl From<Vec<Blob>> for WebSource {
    fn from(blobs: Vec<Blob>) -> Self {
        Self::Blobs(blobs)
    }
}

impl ByteSource for WebSource {
    type Bytes = JsBytes;
    type Body = WebBody;

    fn n_files(&self) -> usize {
        match self {
            Self::Http(source) => source.origin.n_files(),
            Self::Blobs(blobs) => blobs.len(),
        }
    }

    fn url(&self, file: usize) -> String {
        match self {
            Self::Http(source) => source.origin.url(file),
            // A file of the same name with other contents has another size or date, and so another address.
            Self::Blobs(blobs) => match blobs.get(file) {
                Some(blob) => {
                    let picked = blob.dyn_ref::<File>();
                    let name = picked.map(File::name).unwrap_or_default();
                    let modified = picked.map(File::last_modified).unwrap_or_default();
                    format!("file:{name}?bytes={}&modified={modified}", blob.size())
                }
                None => String::new(),
            },
        }
    }

    async fn read(&self, file: usize, range: Option<Range<u64>>) -> Result<Reply<WebBody>> {
        match self {
            Self::Http(source) => {
                let (response, mut connection) = source.request(file, "GET", range).await?;
                let header = |name: &str| header(&response, name);
                let reader = response.body().map(|body| body.get_reader().unchecked_into());
                connection.reader = reader;
                Ok(Reply {
                    status: response.status(),
                    content_range: header("content-range"),
                    content_length: content_length(&response),
                    content_encoding: header("content-encoding"),
                    etag: header("etag"),
                    last_modified: header("last-modified"),
                    retry_after: header("retry-after"),
                    // A caller's own `fetch` may lead where it wants.
                    resolved: response.redirected() || source.fetch.is_some(),
                    body: WebBody::Http(HttpBody { connection }),
                })
            }
            Self::Blobs(blobs) => {
                let blob = blobs.get(file).ok_or_else(|| Error::internal(format!("there is no file {file}")))?.clone();
                let size = blob.size() as u64;
                let range = range.unwrap_or(0..size);
                let range = range.start.min(size)..range.end.min(size);
                Ok(Reply {
                    status: if range.is_empty() { 416 } else { 206 },
                    content_range: Some(format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))),
                    content_length: Some(range.end - range.start),
                    content_encoding: None,
                    etag: None,
                    last_modified: None,
                    retry_after: None,
                    resolved: false,
                    body: WebBody::Blob(BlobBody { blob, range }),
                })
            }
        }
    }

    async fn facts(&self, file: usize) -> Result<Facts> {
        match self {
            Self::Http(source) => {
                // With a range a browser asks for nothing compressed, which has a length and an `ETag` of its own.
                let (part, _connection) = source.request(file, "HEAD", Some(0..1)).await?;
                let told = facts_of(&part);
                if told.size.is_some() {
                    return Ok(told);
                }
                // Of a part the whole's length is not always told, or not readable across origins; and some refuse a range here.
                let (whole, _connection) = source.request(file, "HEAD", None).await?;
                let now = facts_of(&whole);
                let size = now.size.filter(|_| told.etag.is_none() || told.etag == now.etag);
                let (etag, last_modified) = (told.etag.or(now.etag), told.last_modified.or(now.last_modified));
                Ok(Facts { size, etag, last_modified })
            }
            Self::Blobs(blobs) => {
                Ok(Facts { size: blobs.get(file).map(|blob| blob.size() as u64), ..Facts::default() })
            }
        }
    }

    fn has_network(&self) -> bool {
        match self {
            // Where it cannot be asked, there is one.
            Self::Http(_) => is_on_line(),
            Self::Blobs(_) => true,
        }
    }

    async fn network(&self) {
        while !self.has_network() {
            sleep(ON_LINE_POLL_MS).await;
        }
    }

    async fn sleep(&self, millis: u64) {
        sleep(millis).await;
    }

    fn random(&self) -> f64 {
        js_sys::Math::random()
    }
}
