//! IndexedDB, Web Locks and `fetch` in a real browser, in a worker, where doran runs.

use doran::weights::http::{HttpSource, JsBytes, WebSource};
use doran::weights::indexed_db::IndexedDb;
use doran::weights::manifest::{ChunkEntry, hex};
use doran::weights::web_store::WebStore;
use doran::weights::{
    Access, Bytes, Cancel, ChunkStore, Integrity, LoadOptions, LoadReport, Manifest, ModelFiles, Sink, TensorSpan,
};
use doran::{Error, ErrorKind, Result};
use js_sys::{Array, Function, Uint8Array};
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Blob;

const CHUNK_BYTES: u64 = 16 << 10;
const FILE_BYTES: u64 = 12 * CHUNK_BYTES - 1000;
const SPANS: [TensorSpan; 1] = [TensorSpan { file: 0, offset: 4096, n_bytes: 34 * 5000, block_bytes: 34 }];

/// SplitMix64 (Steele, Lea, Flood 2014).
fn random_file(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as u8
    };
    (0..FILE_BYTES).map(|_| next()).collect()
}

fn js_bytes(bytes: &[u8]) -> JsBytes {
    JsBytes(Uint8Array::from(bytes))
}

fn js(arguments: &str, body: &str) -> Function {
    Function::new_with_args(arguments, body)
}

async fn run(function: &Function, arguments: &[JsValue]) -> JsValue {
    let value = function.apply(&JsValue::NULL, &Array::from_iter(arguments)).expect("the script does not throw");
    JsFuture::from(js_sys::Promise::resolve(&value)).await.expect("the script does not reject")
}

/// An empty database.
async fn fresh(name: &str) -> IndexedDb {
    run(
        &js("name", "return new Promise((done) => { indexedDB.deleteDatabase(name).onsuccess = done; })"),
        &[name.into()],
    )
    .await;
    IndexedDb::open(name).await.expect("this browser has IndexedDB")
}

fn manifest_of(model: &str, chunks: &[Vec<u8>]) -> Manifest {
    let mut manifest = Manifest::new(model, ["https://example.com/a.gguf".to_owned()], 1.0);
    let mut start = 0;
    for chunk in chunks {
        let len = chunk.len() as u64;
        let sha256 = Some(hex(&Sha256::digest(chunk).into()));
        manifest.files[0].chunks.push(ChunkEntry { start, len, sha256, xxh64: None, stored: true });
        start += len;
    }
    manifest.files[0].size = Some(start);
    manifest
}

#[wasm_bindgen_test]
async fn chunks_and_manifests_outlive_the_connection() {
    let store = fresh("doran-test-outlive").await;
    let file = random_file(1);
    let chunks: Vec<Vec<u8>> = file.chunks(CHUNK_BYTES as usize).map(<[u8]>::to_vec).collect();
    assert!(chunks.len() >= 8);
    let manifest = manifest_of("a/b", &chunks);
    for (index, chunk) in chunks.iter().enumerate() {
        // A view into a larger buffer: only the view may be stored.
        let mut padded = vec![9; 1 << 20];
        padded[1000..1000 + chunk.len()].copy_from_slice(chunk);
        let view = js_bytes(&padded).slice(1000, 1000 + chunk.len() as u64);
        store.put_chunk(&manifest, 0, index, &view).await.expect("stores");
    }
    store.put_complete(&Manifest { complete: true, ..manifest.clone() }).await.expect("stores");
    store.put_manifest(&manifest_of("a/b/c", &[])).await.expect("stores");
    store.close();

    let store = IndexedDb::open("doran-test-outlive").await.expect("opens");
    let read = store.manifest("a/b").await.expect("reads").expect("is there");
    assert_eq!(read, Manifest { complete: true, ..manifest });
    for (index, chunk) in chunks.iter().enumerate() {
        let bytes = store.chunk("a/b", 0, index).await.expect("reads").expect("is there");
        assert_eq!(bytes.to_vec(), *chunk);
        assert_eq!(bytes.0.buffer().byte_length() as usize, chunk.len());
        assert_eq!(bytes.sha256().await.expect("hashes"), <[u8; 32]>::from(Sha256::digest(chunk)));
    }
    assert!(store.chunk("a/b", 0, 99).await.expect("reads").is_none());
    assert!(store.manifest("nobody").await.expect("reads").is_none());
    assert_eq!(store.list().await.expect("lists").len(), 2);
    store.delete("a/b").await.expect("deletes");
    assert!(store.chunk("a/b", 0, 0).await.expect("reads").is_none());
    let left: Vec<String> = store.list().await.expect("lists").into_iter().map(|manifest| manifest.model).collect();
    assert_eq!(left, ["a/b/c"]);
    assert!(store.usage().await.expect("estimates").quota_bytes.is_some());
}

#[wasm_bindgen_test]
async fn another_tabs_upgrade_closes_the_connection_and_a_newer_schema_is_refused() {
    let store = fresh("doran-test-upgrade").await;
    store.put_manifest(&manifest_of("m", &[])).await.expect("stores");
    // Deleting waits for every connection; it ends because ours closes on `versionchange`.
    let store_again = fresh("doran-test-upgrade").await;
    assert!(store_again.manifest("m").await.expect("reads").is_none());
    assert!(store.manifest("m").await.expect("the first one opens anew").is_none());

    let mut newer = manifest_of("m", &[]);
    newer.schema += 1;
    store.put_manifest(&newer).await.expect("stores");
    assert_eq!(store.manifest("m").await.expect_err("is newer").kind(), ErrorKind::Storage);

    store.close();
    store_again.close();
    let upgrade = "return new Promise((done) => { const r = indexedDB.open(name, 7); r.onsuccess = () => { r.result.close(); done(); }; })";
    run(&js("name", upgrade), &["doran-test-upgrade".into()]).await;
    let error = IndexedDb::open("doran-test-upgrade").await.err().expect("is newer");
    assert_eq!(error.kind(), ErrorKind::Storage);
}

#[wasm_bindgen_test]
async fn a_tab_that_does_not_give_way_is_reported() {
    let name = "doran-test-blocked";
    drop(fresh(name).await);
    let hold = "return new Promise((done) => { indexedDB.deleteDatabase(name).onsuccess = () => {
        const r = indexedDB.open(name, 1); r.onsuccess = () => { self.held = r.result; indexedDB.deleteDatabase(name); done(); }; }; })";
    run(&js("name", hold), &[name.into()]).await;
    let before = js_sys::Date::now();
    let opened = IndexedDb::open(name).await;
    // The deletion in front of it is blocked; the browser tells us nothing, and we give up by ourselves.
    let error = opened.err().expect("cannot open");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(js_sys::Date::now() - before < 20_000.0);
    run(&js("", "self.held.close()"), &[]).await;
}

/// Makes the next `put` of a chunk fail as a full disk does.
fn fill(how: &str) {
    let script = "
        const proto = IDBObjectStore.prototype, put = proto.put;
        proto.put = function (value, key) {
            if (this.name !== 'chunks' || key[2] !== 5) return put.call(this, value, key);
            proto.put = put;
            const full = new DOMException('full', 'QuotaExceededError');
            if (how === 'throw') throw full;
            const { transaction } = this;
            const request = put.call(this, value, key);
            Object.defineProperty(transaction, 'error', { get: () => full });
            request.onsuccess = () => transaction.abort();
            return request;
        };";
    js("how", script).call1(&JsValue::NULL, &how.into()).expect("patches");
}

#[derive(Default)]
struct Seen {
    bytes: u64,
    chunks: u32,
}

impl Sink<JsBytes> for Seen {
    async fn accept(&mut self, _file: usize, offset: u64, bytes: JsBytes) -> Result<()> {
        assert_eq!(offset % 4, 0);
        self.bytes += bytes.len();
        self.chunks += 1;
        Ok(())
    }
}

async fn load(source: Option<WebSource>, store: WebStore, file: &[u8]) -> Result<LoadReport> {
    let cancel = Cancel::new();
    let options = LoadOptions {
        sha256: vec![Some(Sha256::digest(file).into())],
        chunk_bytes: CHUNK_BYTES,
        ..LoadOptions::default()
    };
    let mut model = ModelFiles::open(source, store, "model", options, &|_| {}, &cancel).await?;
    assert_eq!(model.prefix(0, 4096).await?, file[..4096]);
    let mut seen = Seen::default();
    let report = model.stream(&SPANS, &mut seen, &|_| {}, &cancel).await?;
    assert!(seen.chunks >= 8 && seen.bytes >= SPANS[0].n_bytes);
    Ok(report)
}

fn picked(file: &[u8]) -> Option<WebSource> {
    let blob = Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(file))).expect("there is room");
    Some(WebSource::from(vec![blob]))
}

/// A source over a `fetch` that serves `file`; `mode` says how it fails.
fn fetched(file: &[u8], mode: &str) -> Option<WebSource> {
    let script = "
        self.requests = 0;
        return async (url, init) => {
            self.requests += 1;
            if (init.signal.aborted) throw new DOMException('aborted', 'AbortError');
            const headers = new Headers(init.headers);
            if (headers.get('x-test') !== 'yes') return new Response('', { status: 403 });
            const range = /^bytes=(\\d+)-(\\d+)$/.exec(headers.get('range') ?? '');
            const [from, to] = range ? [Number(range[1]), Math.min(Number(range[2]) + 1, file.length)] : [0, file.length];
            if (mode === 'ignore' || !range) return new Response(file, { headers: { 'content-length': file.length } });
            const out = { 'content-length': to - from, 'content-range': `bytes ${from}-${to - 1}/${file.length}`, etag: 'a' };
            let body = file.subarray(from, to);
            if (mode === 'cut' && self.requests % 2 === 0) {
                const part = body.slice(0, 20_000);
                let sent = false;
                body = new ReadableStream({ pull(c) { if (sent) c.error(new TypeError('cut')); else { sent = true; c.enqueue(part); } } });
            }
            return new Response(body, { status: 206, headers: out });
        };";
    let fetch = js("file, mode", script).call2(&JsValue::NULL, &js_bytes(file).0, &mode.into()).expect("makes");
    let urls = vec!["https://example.com/model.gguf".to_owned()];
    let headers = vec![("x-test".to_owned(), "yes".to_owned())];
    Some(HttpSource::new(urls, headers, Some(fetch.unchecked_into())).into())
}

#[wasm_bindgen_test]
async fn a_picked_file_is_stored_and_reloads_without_it() {
    let store = WebStore::Indexed(fresh("doran-test-picked").await.into());
    let file = random_file(2);
    let report = load(picked(&file), store.clone(), &file).await.expect("loads");
    assert_eq!((report.downloaded_bytes, report.integrity), (FILE_BYTES, Integrity::Verified));
    let report = load(None, store.clone(), &file).await.expect("loads from the store");
    assert_eq!((report.downloaded_bytes, report.from_store_bytes), (0, FILE_BYTES));

    // A bit flips in the store: that chunk and no other is read again.
    let manifest = store.manifest("model").await.expect("reads").expect("is there");
    let mut bytes = store.chunk("model", 0, 7).await.expect("reads").expect("is there").to_vec();
    bytes[77] ^= 4;
    store.put_chunk(&manifest, 0, 7, &js_bytes(&bytes)).await.expect("stores");
    assert_eq!(load(None, store.clone(), &file).await.expect_err("damaged").kind(), ErrorKind::BadChunk);
    let report = load(picked(&file), store.clone(), &file).await.expect("mends");
    assert_eq!((report.refetched_chunks, report.downloaded_bytes), (1, manifest.files[0].chunks[7].len));
    load(None, store, &file).await.expect("is whole again");
}

#[wasm_bindgen_test]
async fn fetch_with_cuts_and_without_ranges() {
    let file = random_file(3);
    for (mode, requests) in [("honest", 3), ("ignore", 1), ("cut", 0)] {
        let store = WebStore::Indexed(fresh(&format!("doran-test-fetch-{mode}")).await.into());
        let report = load(fetched(&file, mode), store.clone(), &file).await.expect("loads");
        assert_eq!((report.downloaded_bytes, report.integrity), (FILE_BYTES, Integrity::Verified), "{mode}");
        let made = run(&js("", "return self.requests"), &[]).await.as_f64().expect("a number");
        assert!(requests == 0 || made == f64::from(requests), "{mode}: {made}");
        let report = load(fetched(&file, mode), store.clone(), &file).await.expect("loads");
        assert_eq!(report.downloaded_bytes, 0);
        let made = run(&js("", "return self.requests"), &[]).await.as_f64();
        assert_eq!(made, Some(0.0), "a stored model needs no network");
        let stored = store.manifest("model").await.expect("reads").expect("is there");
        assert!(!serde_json::to_string(&stored).expect("is JSON").contains("yes"), "headers are never stored");
    }
}

#[wasm_bindgen_test]
async fn a_full_disk_is_a_quota_error_and_keeps_what_is_there() {
    let file = random_file(4);
    for how in ["throw", "abort"] {
        let store = WebStore::Indexed(fresh(&format!("doran-test-quota-{how}")).await.into());
        fill(how);
        let error: Error = load(picked(&file), store.clone(), &file).await.expect_err("is full");
        assert_eq!(error.kind(), ErrorKind::Quota, "{how}: {error}");
        let manifest = store.manifest("model").await.expect("reads").expect("is there");
        assert_eq!(error.data()["needed_bytes"].as_u64(), Some(FILE_BYTES - manifest.stored_bytes()));
        // Chunks come by two connections: which of them are here by then differs between browsers.
        let stored: Vec<usize> = manifest.chunks().filter(|(.., chunk)| chunk.stored).map(|(_, i, _)| i).collect();
        assert!(stored.len() >= 3 && !stored.contains(&5), "{how}: {stored:?}");
        for index in stored {
            assert!(store.chunk("model", 0, index).await.expect("reads").is_some(), "{how}: {index}");
        }
        assert!(store.chunk("model", 0, 5).await.expect("reads").is_none(), "both or neither");
        let report = load(picked(&file), store, &file).await.expect("resumes");
        assert_eq!(report.from_store_bytes, manifest.stored_bytes());
    }
}

#[wasm_bindgen_test]
async fn two_loads_download_once() {
    let file = random_file(5);
    let open = || async { WebStore::open("doran-test-two").await.expect("opens") };
    drop(fresh("doran-test-two").await);
    let (first, second) = (open().await, open().await);
    let (first, second) =
        futures_util::future::join(load(picked(&file), first, &file), load(picked(&file), second, &file)).await;
    let downloaded = first.expect("loads").downloaded_bytes + second.expect("loads").downloaded_bytes;
    assert_eq!(downloaded, FILE_BYTES);
    // A waiter that gives up does not keep the lock.
    let store = IndexedDb::open("doran-test-two").await.expect("opens");
    let held = store.lock("x", Access::Alone).await.expect("locks");
    assert!(store.is_locked("x", Access::Shared).await);
    let waiting = Box::pin(store.lock("x", Access::Alone));
    let pause = Box::pin(JsFuture::from(js_sys::Promise::resolve(&JsValue::NULL)));
    drop(futures_util::future::select(waiting, pause).await);
    drop(held);
    drop(store.lock("x", Access::Alone).await.expect("is free again"));
    // Readers keep each other from nothing.
    let readers = [store.lock("x", Access::Shared).await, store.lock("x", Access::Shared).await];
    assert!(readers.iter().all(Result::is_ok) && !store.is_locked("x", Access::Shared).await);
    assert!(store.is_locked("x", Access::Alone).await);
}

#[wasm_bindgen_test]
async fn without_indexed_db_models_run_from_memory() {
    let hide = "Object.defineProperty(self, 'indexedDB', { value: undefined, configurable: true })";
    js("", hide).call0(&JsValue::NULL).expect("hides");
    let store = WebStore::open("doran-test-none").await.expect("falls back");
    js("", "delete self.indexedDB").call0(&JsValue::NULL).expect("shows");
    let file = random_file(6);
    let report = load(picked(&file), store, &file).await.expect("loads");
    assert_eq!((report.integrity, report.warnings.len()), (Integrity::Verified, 1));
}

/// A connection to a database as it is now, which another tab holds and does not give up.
const STUBBORN: &str = "return new Promise((done) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => { for (const store of ['manifests', 'chunks']) request.result.createObjectStore(store); };
    request.onsuccess = () => { globalThis.stubborn = request.result; done(); };
})";

#[wasm_bindgen_test]
async fn an_upgrade_that_another_tab_blocks_is_told_within_two_seconds() {
    let name = "doran-test-blocked";
    run(
        &js("name", "return new Promise((done) => { indexedDB.deleteDatabase(name).onsuccess = done; })"),
        &[name.into()],
    )
    .await;
    run(&js("name", STUBBORN), &[name.into()]).await;
    let begun = js_sys::Date::now();
    let Err(error) = IndexedDb::open_version(name, 2).await else { panic!("it is held at the older version") };
    let waited_ms = js_sys::Date::now() - begun;
    assert_eq!((error.kind(), &error.data()["blocked"]), (ErrorKind::Storage, &true.into()));
    assert!(error.message().contains("another tab"), "{}", error.message());
    // The line is two seconds; the timer behind it may be late by as much as the machine is busy.
    assert!((1_900.0..8_000.0).contains(&waited_ms), "{waited_ms}");
    // Once the other lets go, it opens.
    run(&js("", "globalThis.stubborn.close()"), &[]).await;
    let store = IndexedDb::open_version(name, 2).await.expect("opens");
    store.close();
    // And a page with the older version is told so.
    let Err(error) = IndexedDb::open(name).await else { panic!("it is of a newer version") };
    assert_eq!((error.kind(), &error.data()["blocked"]), (ErrorKind::Storage, &false.into()));
    assert!(error.message().contains("newer version"), "{}", error.message());
}
