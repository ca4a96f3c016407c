//! The web end of [`ChunkStore`]: IndexedDB, and Web Locks so that two tabs download once.
//!
//! Schema 1 of database `doran`: `manifests` by model name, `chunks` by `[model, file, index]`. A chunk record is
//! `{ blob }` on Chromium and Firefox, where blobs are several times faster, and `{ buffer }` on WebKit, where blobs in
//! IndexedDB have failed in released versions.
//!
//! Every transaction's requests are made in one go and nothing else is awaited while it lives. Chunks are written with
//! relaxed durability (their hashes are checked when read), the manifest that says `complete` with strict. The
//! connection closes when another tab wants to upgrade, and opens anew when it was lost.
#![cfg(target_arch = "wasm32")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::{Array, ArrayBuffer, Function, JSON, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransaction,
};

use super::http::{JsBytes, js_error, set, sleep};
use super::manifest::{Manifest, SCHEMA};
use super::store::{Access, ChunkStore, Usage, is_removed};
use crate::{Error, ErrorKind, Result};

/// The database's name where the caller gives none.
pub const DATABASE: &str = "doran";
/// Version of the object stores.
const VERSION: u32 = 1;
const MANIFESTS: &str = "manifests";
const CHUNKS: &str = "chunks";
/// How long another tab may keep an upgrade waiting.
const BLOCKED_MS: u64 = 2_000;
/// How long opening may take: there are browsers that never answer.
const OPEN_MS: u64 = 15_000;
/// The mode of a Web Lock that one holds alone.
const EXCLUSIVE: &str = "exclusive";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request, catch)]
    fn request_lock(name: &str, options: &JsValue, callback: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = query, catch)]
    fn query_locks() -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = estimate, catch)]
    fn storage_estimate() -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = persisted, catch)]
    fn storage_persisted() -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = navigator, js_name = userAgent, thread_local_v2)]
    static USER_AGENT: Option<String>;
}

fn get(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}

/// What IndexedDB threw, as `Quota` or `Storage`.
fn failure(doing: &str, thrown: &JsValue) -> Error {
    match get(thrown, "name").as_string().as_deref() {
        Some("QuotaExceededError") => Error::new(
            ErrorKind::Quota,
            "the browser's storage is full; what was downloaded is kept: free some room or delete other models, and \
             load again, or load without keeping the model",
        ),
        _ => js_error(ErrorKind::Storage, doing, thrown),
    }
}

/// An event handler that is taken off when dropped, so that no event meets a closure that is gone.
struct Handler<'a> {
    target: &'a JsValue,
    name: &'static str,
    _closure: Closure<dyn FnMut(JsValue)>,
}

impl<'a> Handler<'a> {
    fn new(target: &'a JsValue, name: &'static str, handle: impl FnMut(JsValue) + 'static) -> Self {
        let closure = Closure::<dyn FnMut(JsValue)>::new(handle);
        set(target.unchecked_ref(), name, closure.as_ref().clone());
        Self { target, name, _closure: closure }
    }
}

impl Drop for Handler<'_> {
    fn drop(&mut self) {
        set(self.target.unchecked_ref(), self.name, JsValue::NULL);
    }
}

/// Waits for the first of some events; gives its name.
async fn first_event(target: &JsValue, names: &[&'static str]) -> &'static str {
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(Cell::new(Some(sender)));
    let handler = |&name: &&'static str| {
        let sender = Rc::clone(&sender);
        Handler::new(target, name, move |_| {
            if let Some(sender) = sender.take() {
                // The receiver is gone only if nobody waits any more.
                let _ = sender.send(name);
            }
        })
    };
    let _handlers: Vec<_> = names.iter().map(handler).collect();
    receiver.await.expect("the handlers hold the sender")
}

/// The result of a request.
async fn result(request: &IdbRequest, doing: &str) -> Result<JsValue> {
    match first_event(request, &["onsuccess", "onerror"]).await {
        "onsuccess" => request.result().map_err(|thrown| failure(doing, &thrown)),
        _ => Err(failure(doing, &get(request, "error"))),
    }
}

/// Waits until a transaction is on disk. A failed request aborts it, and then its error is the request's.
async fn committed(transaction: &IdbTransaction, doing: &str) -> Result<()> {
    match first_event(transaction, &["oncomplete", "onabort"]).await {
        "oncomplete" => Ok(()),
        _ => Err(failure(doing, &get(transaction, "error"))),
    }
}

/// A store in the browser's IndexedDB.
pub struct IndexedDb {
    name: String,
    connection: Rc<RefCell<Option<IdbDatabase>>>,
    version: u32,
    /// Whether a connection was lost before: what was stored may be gone, as when the reader clears the site's data.
    was_lost: Rc<Cell<bool>>,
    /// Chunks are written as blobs.
    blobs: Cell<bool>,
}

/// How safely a write must be on disk before it counts.
#[derive(Clone, Copy)]
enum Mode {
    Read,
    Relaxed,
    Strict,
}

impl IndexedDb {
    /// Opens the database, making it if needed.
    ///
    /// # Errors
    /// `Storage` if the browser has no IndexedDB or refuses it, if another tab keeps an older version open for longer
    /// than 2 s, or if the database is of a newer version of doran.
    pub async fn open(name: &str) -> Result<Self> {
        Self::open_version(name, VERSION).await
    }

    /// The same, by the version of its object stores; another than [`VERSION`] in tests only.
    ///
    /// # Errors
    /// As [`IndexedDb::open`].
    pub async fn open_version(name: &str, version: u32) -> Result<Self> {
        let agent = USER_AGENT.with(|agent| agent.clone().unwrap_or_default());
        let webkit = agent.contains("AppleWebKit") && !agent.contains("Chrome/") && !agent.contains("Chromium/");
        let store = Self {
            name: name.to_owned(),
            connection: Rc::default(),
            version,
            was_lost: Rc::default(),
            blobs: Cell::new(!webkit),
        };
        store.connection().await?;
        Ok(store)
    }

    /// Closes the connection; the next operation opens it again.
    pub fn close(&self) {
        if let Some(database) = self.connection.take() {
            database.close();
        }
    }

    async fn connection(&self) -> Result<IdbDatabase> {
        if let Some(database) = self.connection.borrow().clone() {
            return Ok(database);
        }
        let factory = Reflect::get(&js_sys::global(), &"indexedDB".into());
        let factory = factory.ok().and_then(|value| value.dyn_into::<IdbFactory>().ok());
        let factory = factory.ok_or_else(|| Error::new(ErrorKind::Storage, "this browser has no IndexedDB here"))?;
        let request = factory.open_with_u32(&self.name, self.version).map_err(|thrown| failure("opening", &thrown))?;
        let database = opened(&request).await?;
        // Both events end the connection. The handlers live as long as the page: there is one connection, rarely two.
        let (connection, closing) = (Rc::clone(&self.connection), database.clone());
        let was_lost = Rc::clone(&self.was_lost);
        let close = Closure::<dyn FnMut()>::new(move || {
            was_lost.set(true);
            connection.take();
            closing.close();
        })
        .into_js_value();
        set(database.unchecked_ref(), "onversionchange", close.clone());
        set(database.unchecked_ref(), "onclose", close);
        self.connection.replace(Some(database.clone()));
        Ok(database)
    }

    /// Runs requests in one transaction, again on a new connection if the old one turns out to be lost.
    async fn transaction(
        &self,
        mode: Mode,
        doing: &str,
        requests: impl Fn(&IdbObjectStore, &IdbObjectStore) -> Result<Option<IdbRequest>, JsValue>,
    ) -> Result<JsValue> {
        match self.transaction_once(mode, doing, &requests).await {
            Err(error) if is_lost(&error) => {
                self.was_lost.set(true);
                self.close();
                self.transaction_once(mode, doing, &requests).await
            }
            result => result,
        }
    }

    async fn transaction_once(
        &self,
        mode: Mode,
        doing: &str,
        requests: impl Fn(&IdbObjectStore, &IdbObjectStore) -> Result<Option<IdbRequest>, JsValue>,
    ) -> Result<JsValue> {
        let database = self.connection().await?;
        let failed = |thrown: JsValue| failure(doing, &thrown);
        let options = Object::new();
        let (mode, durability) = match mode {
            Mode::Read => ("readonly", "default"),
            Mode::Relaxed => ("readwrite", "relaxed"),
            Mode::Strict => ("readwrite", "strict"),
        };
        set(&options, "durability", durability);
        let begin: Function = get(&database, "transaction").unchecked_into();
        let stores = Array::of2(&MANIFESTS.into(), &CHUNKS.into());
        let transaction = begin.call3(&database, &stores, &mode.into(), &options).map_err(failed)?;
        let transaction: IdbTransaction = transaction.unchecked_into();
        let store = |name: &str| transaction.object_store(name).map_err(failed);
        let request = match requests(&store(MANIFESTS)?, &store(CHUNKS)?) {
            Ok(request) => request,
            Err(thrown) => {
                // Nothing of a half-made transaction may stay; it may also have ended by itself.
                let _ = transaction.abort();
                return Err(failed(thrown));
            }
        };
        match request {
            Some(request) => result(&request, doing).await,
            None => committed(&transaction, doing).await.map(|()| JsValue::UNDEFINED),
        }
    }

    async fn put(&self, manifest: &Manifest, mode: Mode) -> Result<()> {
        let record = record(manifest)?;
        let requests = |manifests: &IdbObjectStore, _: &IdbObjectStore| {
            manifests.put_with_key(&record, &manifest.model.as_str().into()).map(|_| None)
        };
        let put = async || self.transaction_once(mode, "storing the manifest", requests).await.map(drop);
        self.put_kept(manifest, None, put).await
    }

    /// Whether a manifest of a model that is being loaded is still that of what is stored, but for one chunk. Nobody else writes it, so
    /// it is, unless a connection was lost and everything with it.
    async fn check_kept(&self, manifest: &Manifest, but: Option<(usize, usize)>) -> Result<()> {
        let claimed = |manifest: &Manifest| -> Vec<(usize, usize)> {
            let stored = manifest.chunks().filter(|(_, _, chunk)| chunk.stored);
            stored.map(|(f, i, _)| (f, i)).filter(|&at| Some(at) != but).collect()
        };
        let wanted = claimed(manifest);
        if !self.was_lost.get() || wanted.is_empty() {
            return Ok(());
        }
        let kept = self.manifest(&manifest.model).await?.map(|kept| claimed(&kept)).unwrap_or_default();
        if wanted.iter().all(|at| kept.contains(at)) {
            return Ok(());
        }
        let message = "what was stored of this model was removed while it loads, as when the site's data is cleared; load it again";
        Err(Error::new(ErrorKind::Storage, message).with("removed", true).with("name", manifest.model.as_str()))
    }

    /// Writes a manifest that says that all but one chunk are stored, if they are; on a new connection if the old one is lost.
    async fn put_kept(
        &self,
        manifest: &Manifest,
        but: Option<(usize, usize)>,
        put: impl AsyncFn() -> Result<()>,
    ) -> Result<()> {
        self.check_kept(manifest, but).await?;
        match put().await {
            Err(error) if is_lost(&error) => {
                self.was_lost.set(true);
                self.close();
                self.check_kept(manifest, but).await?;
                put().await
            }
            result => result,
        }
    }

    async fn put_chunk_once(&self, manifest: &Manifest, file: usize, index: usize, bytes: &JsBytes) -> Result<()> {
        let record = record(manifest)?;
        let chunk = Object::new();
        let failed = |thrown: JsValue| failure("storing a chunk", &thrown);
        if self.blobs.get() {
            set(&chunk, "blob", Blob::new_with_u8_array_sequence(&Array::of1(&bytes.0)).map_err(failed)?);
        } else {
            // A view would take the whole buffer behind it along.
            set(&chunk, "buffer", bytes.0.slice(0, bytes.0.length()).buffer());
        }
        let requests = |manifests: &IdbObjectStore, chunks: &IdbObjectStore| {
            chunks.put_with_key(&chunk, &key(&manifest.model, file, index))?;
            manifests.put_with_key(&record, &manifest.model.as_str().into()).map(|_| None)
        };
        self.transaction_once(Mode::Relaxed, "storing a chunk", requests).await.map(drop)
    }
}

/// Waits for a database to open, making its object stores where they are missing.
async fn opened(request: &IdbOpenDbRequest) -> Result<IdbDatabase> {
    let upgrading = request.clone();
    let _upgrade = Handler::new(request, "onupgradeneeded", move |_| {
        let Ok(database) = upgrading.result().map(JsCast::unchecked_into::<IdbDatabase>) else { return };
        for store in [MANIFESTS, CHUNKS] {
            if !database.object_store_names().contains(store) {
                // If it fails, the transaction that needs it says so.
                let _ = database.create_object_store(store);
            }
        }
    });
    let outcome = async {
        match first_event(request, &["onsuccess", "onerror", "onblocked"]).await {
            "onblocked" => {
                // The other tab is asked to close its connection, and usually does.
                let finished = Box::pin(first_event(request, &["onsuccess", "onerror"]));
                match select(finished, Box::pin(sleep(BLOCKED_MS))).await {
                    Either::Left((name, _)) => name,
                    Either::Right(_) => "onblocked",
                }
            }
            name => name,
        }
    };
    let outcome = match select(Box::pin(outcome), Box::pin(sleep(OPEN_MS))).await {
        Either::Left((name, _)) => name,
        Either::Right(_) => "timeout",
    };
    let message = match outcome {
        "onsuccess" => {
            return request.result().map(JsCast::unchecked_into).map_err(|thrown| failure("opening", &thrown));
        }
        "onerror" => {
            let thrown = get(request, "error");
            if get(&thrown, "name").as_string().as_deref() != Some("VersionError") {
                return Err(failure("opening the storage", &thrown));
            }
            "a newer version of doran uses this storage; reload the page"
        }
        "onblocked" => "another tab uses an older version of the storage; close this page's other tabs",
        _ => "the browser's storage does not answer",
    };
    // If it opens after all, nobody will use it.
    let late = request.clone();
    let close = Closure::once_into_js(move |_: JsValue| {
        if let Ok(database) = late.result() {
            database.unchecked_into::<IdbDatabase>().close();
        }
    });
    set(request.unchecked_ref(), "onsuccess", close);
    let error = Error::new(ErrorKind::Storage, message);
    Err(if outcome == "timeout" { error } else { error.with("blocked", outcome == "onblocked") })
}

/// Whether an error means that the connection is of no more use: it was closed under way, or WebKit lost its server.
fn is_lost(error: &Error) -> bool {
    let name = error.data().get("name").and_then(|name| name.as_str());
    error.kind() == ErrorKind::Storage
        && (name == Some("InvalidStateError") || error.message().contains("Connection to Indexed Database server lost"))
}

fn key(model: &str, file: usize, index: usize) -> JsValue {
    Array::of3(&model.into(), &JsValue::from(file as f64), &JsValue::from(index as f64)).into()
}

/// A manifest as a JavaScript object.
fn record(manifest: &Manifest) -> Result<JsValue> {
    let json = serde_json::to_string(manifest).map_err(|error| Error::internal(error.to_string()))?;
    JSON::parse(&json).map_err(|thrown| js_error(ErrorKind::Internal, "writing a manifest", &thrown))
}

/// A stored manifest; `None` if it cannot be read, so that the model is downloaded anew.
///
/// # Errors
/// `Storage` if it is of a newer version, which must not be overwritten.
fn unrecord(record: &JsValue) -> Result<Option<Manifest>> {
    if get(record, "schema").as_f64().is_some_and(|schema| schema > f64::from(SCHEMA)) {
        let message = "this model was stored by a newer version of doran; reload the page, or delete the model";
        return Err(Error::new(ErrorKind::Storage, message));
    }
    let json = JSON::stringify(record).ok().and_then(|json| json.as_string());
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
}

/// Holds a Web Lock until dropped.
pub struct WebLock {
    release: Function,
}

impl Drop for WebLock {
    fn drop(&mut self) {
        // Resolving a promise cannot fail.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> f64 {
    js_sys::Date::now()
}

fn lock_name(model: &str) -> String {
    format!("doran:model:{model}")
}

impl ChunkStore for IndexedDb {
    type Bytes = JsBytes;
    type Guard = WebLock;

    async fn manifest(&self, model: &str) -> Result<Option<Manifest>> {
        let requests = |manifests: &IdbObjectStore, _: &IdbObjectStore| manifests.get(&model.into()).map(Some);
        let record = self.transaction(Mode::Read, "reading a manifest", requests).await?;
        if record.is_undefined() { Ok(None) } else { unrecord(&record) }
    }

    async fn put_manifest(&self, manifest: &Manifest) -> Result<()> {
        self.put(manifest, Mode::Relaxed).await
    }

    async fn put_chunk(&self, manifest: &Manifest, file: usize, index: usize, bytes: &JsBytes) -> Result<()> {
        let put = || self.put_chunk_once(manifest, file, index, bytes);
        match self.put_kept(manifest, Some((file, index)), put).await {
            // Private windows of some browsers store buffers, but no blobs.
            Err(error) if error.kind() == ErrorKind::Storage && self.blobs.get() && !is_removed(&error) => {
                self.blobs.set(false);
                put().await
            }
            result => result,
        }
    }

    async fn put_complete(&self, manifest: &Manifest) -> Result<()> {
        self.put(manifest, Mode::Strict).await
    }

    async fn chunk(&self, model: &str, file: usize, index: usize) -> Result<Option<JsBytes>> {
        let requests = |_: &IdbObjectStore, chunks: &IdbObjectStore| chunks.get(&key(model, file, index)).map(Some);
        let record = self.transaction(Mode::Read, "reading a chunk", requests).await?;
        let buffer = match get(&record, "blob").dyn_into::<Blob>() {
            // A blob whose bytes are gone is a damaged chunk, not a failed store.
            Ok(blob) => JsFuture::from(blob.array_buffer()).await.unwrap_or(JsValue::UNDEFINED),
            Err(_) => get(&record, "buffer"),
        };
        Ok(buffer.dyn_into::<ArrayBuffer>().ok().map(|buffer| JsBytes(Uint8Array::new(&buffer))))
    }

    async fn list(&self) -> Result<Vec<Manifest>> {
        let requests = |manifests: &IdbObjectStore, _: &IdbObjectStore| manifests.get_all().map(Some);
        let records = self.transaction(Mode::Read, "listing models", requests).await?;
        Ok(Array::from(&records).iter().filter_map(|record| unrecord(&record).ok().flatten()).collect())
    }

    async fn delete(&self, model: &str) -> Result<()> {
        // Arrays sort after numbers, so these are all keys that begin with the model's name (Indexed Database § 2.4).
        let (lower, upper) = (Array::of1(&model.into()), Array::of2(&model.into(), &Array::new()));
        let range = IdbKeyRange::bound(&lower, &upper).map_err(|thrown| failure("deleting a model", &thrown))?;
        let requests = |manifests: &IdbObjectStore, chunks: &IdbObjectStore| {
            chunks.delete(&range)?;
            manifests.delete(&model.into()).map(|_| None)
        };
        self.transaction(Mode::Relaxed, "deleting a model", requests).await.map(drop)
    }

    async fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        if let Ok(promise) = storage_estimate()
            && let Ok(estimate) = JsFuture::from(promise).await
        {
            usage.used_bytes = get(&estimate, "usage").as_f64().map(|bytes| bytes as u64);
            usage.quota_bytes = get(&estimate, "quota").as_f64().map(|bytes| bytes as u64);
        }
        if let Ok(promise) = storage_persisted()
            && let Ok(persisted) = JsFuture::from(promise).await
        {
            usage.persisted = persisted.is_truthy();
        }
        Ok(usage)
    }

    async fn lock(&self, model: &str, access: Access) -> Result<WebLock> {
        let (sender, receiver) = oneshot::channel::<()>();
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let release = release.ok_or_else(|| Error::internal("a promise without its executor"))?;
        // If this future is dropped while it waits, the promise is resolved, and the lock is given back when granted.
        let lock = WebLock { release };
        let callback = Closure::once_into_js(move |_: JsValue| -> JsValue {
            // A waiter that is gone has released the lock already.
            let _ = sender.send(());
            held.into()
        });
        let options = Object::new();
        let mode = if access == Access::Shared { "shared" } else { EXCLUSIVE };
        Reflect::set(&options, &"mode".into(), &mode.into()).map_err(|_| Error::internal("options cannot be built"))?;
        if let Ok(promise) = request_lock(&lock_name(model), &options, &callback) {
            match select(receiver, JsFuture::from(promise)).await {
                Either::Left((Ok(()), _)) => {}
                // Granted and settled at once, or refused (a page that is being closed): work without.
                Either::Left((Err(_), _)) | Either::Right(_) => {}
            }
        }
        Ok(lock)
    }

    async fn is_locked(&self, model: &str, access: Access) -> bool {
        let Ok(promise) = query_locks() else { return false };
        let Ok(locks) = JsFuture::from(promise).await else { return false };
        let name = lock_name(model);
        let is = |lock: &JsValue, key: &str, value: &str| get(lock, key).as_string().as_deref() == Some(value);
        let against = |lock: &JsValue| access == Access::Alone || is(lock, "mode", EXCLUSIVE);
        Array::from(&get(&locks, "held")).iter().any(|lock| is(&lock, "name", &name) && against(&lock))
    }

    fn now_ms(&self) -> f64 {
        now_ms()
    }

    fn warning(&self) -> Option<String> {
        None
    }
}
