//! Loading under every fault that a network, a disk or a caller can produce, with exact byte counts.
mod check;
mod export;
pub mod faulty;
mod interrupted;
mod secrets;

use std::cell::RefCell;

use self::faulty::{Collected, FaultyStore, RangeMode, Server, random, random_file};
use doran::weights::directory::DirectoryStore;
use doran::weights::file::FileSource;
use doran::weights::{
    Access, Cancel, ChunkStore, Integrity, LoadOptions, LoadReport, MemoryStore, ModelFiles, Phase, Progress,
    TensorSpan, VecBytes, delete_model,
};
use doran::weights::{manifest::hex, verify::xxh64};
use doran::{Error, ErrorKind, Result};
use pollster::block_on;
use sha2::{Digest, Sha256};

const CHUNK_BYTES: u64 = 4096;
const HEADER_BYTES: u64 = 3000;
const MODEL: &str = "model";

type Store = MemoryStore<VecBytes>;

/// A file of 20 chunks: a header, and tensors of three kinds of blocks.
fn model() -> (Vec<Vec<u8>>, Vec<TensorSpan>) {
    let span = |offset, n_bytes, block_bytes| TensorSpan { file: 0, offset, n_bytes, block_bytes };
    let spans = vec![
        span(HEADER_BYTES + 72, 34 * 1000, 34),
        span(HEADER_BYTES + 72 + 34_016, 18 * 1501, 18),
        span(HEADER_BYTES + 72 + 34_016 + 27_040, 4 * 3001, 4),
    ];
    (vec![random_file(79_003, 1)], spans)
}

fn sha256(file: &[u8]) -> [u8; 32] {
    Sha256::digest(file).into()
}

fn stated(files: &[Vec<u8>]) -> LoadOptions {
    LoadOptions {
        sha256: files.iter().map(|file| Some(sha256(file))).collect(),
        chunk_bytes: CHUNK_BYTES,
        ..LoadOptions::default()
    }
}

fn unstated() -> LoadOptions {
    LoadOptions { sha256: Vec::new(), chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() }
}

/// One load as a caller would do it: header, then everything.
async fn load<T: ChunkStore<Bytes = VecBytes>>(
    server: Option<&Server>,
    store: T,
    options: LoadOptions,
    files: &[Vec<u8>],
    spans: &[TensorSpan],
) -> Result<LoadReport> {
    let cancel = Cancel::new();
    let mut model = ModelFiles::open(server.cloned(), store, MODEL, options, &|_| {}, &cancel).await?;
    let header = model.prefix(0, HEADER_BYTES).await?;
    assert_eq!(header, files[0][..HEADER_BYTES as usize], "the header is the file's");
    let mut sink = Collected::default();
    let last = RefCell::new(None::<Progress>);
    let report = |progress: Progress| {
        let before = last.replace(Some(progress));
        assert!(before.is_none_or(|before| before.loaded_bytes <= progress.loaded_bytes), "progress goes on");
        assert!(progress.loaded_bytes <= progress.total_bytes);
    };
    let result = model.stream(spans, &mut sink, &report, &cancel).await?;
    sink.check(files, spans);
    let last = last.take().expect("there is progress");
    assert_eq!((last.phase, last.loaded_bytes), (Phase::Verifying, last.total_bytes));
    Ok(result)
}

/// Invariants that hold after anything: the manifest says stored only of chunks that are there and whole, and complete
/// only if all are.
fn check_store(store: &Store, files: &[Vec<u8>]) {
    let Some(manifest) = block_on(store.manifest(MODEL)).expect("memory does not fail") else { return };
    for (file, index, chunk) in manifest.chunks().filter(|(_, _, chunk)| chunk.stored) {
        let bytes = block_on(store.chunk(MODEL, file, index)).expect("memory does not fail").expect("it is stored");
        assert_eq!(bytes.as_slice(), &files[file][chunk.start as usize..][..chunk.len as usize]);
        assert_eq!(chunk.sha256.as_deref(), Some(hex(&sha256(bytes.as_slice())).as_str()));
        assert_eq!(chunk.xxh64.as_ref(), Some(&xxh64(&bytes)));
    }
    if manifest.complete {
        assert!(manifest.chunks().all(|(_, _, chunk)| chunk.stored));
    }
}

fn total(files: &[Vec<u8>]) -> u64 {
    files.iter().map(|file| file.len() as u64).sum()
}

#[test]
fn a_load_fetches_every_byte_once_and_a_reload_none() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!(report.downloaded_bytes, total(&files));
    assert_eq!((server.sent_bytes(), server.0.most_open.get()), (total(&files), 2));
    assert_eq!((report.integrity, report.from_store_bytes), (Integrity::Verified, 0));
    assert!(block_on(store.manifest(MODEL)).expect("reads").expect("is there").chunks().count() >= 8);
    check_store(&store, &files);

    server.forget_counts();
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!((server.n_requests(), report.from_store_bytes), (0, total(&files)));
    assert_eq!((report.integrity, report.refetched_chunks), (Integrity::Verified, 0));
    let report = block_on(load(None, store, unstated(), &files, &spans)).expect("loads without a source");
    assert_eq!(report.integrity, Integrity::Verified);
}

#[test]
fn without_a_stated_hash_a_model_is_unverified_until_one_is_stated() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let report = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("loads");
    assert_eq!(report.integrity, Integrity::Unverified);
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!((report.integrity, report.downloaded_bytes), (Integrity::Verified, 0));
    // A hash that the stored file does not have means another file: it is removed.
    let mut other = stated(&files);
    other.sha256[0] = Some([7; 32]);
    let error = block_on(load(None, store.clone(), other.clone(), &files, &spans)).expect_err("another file");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = block_on(load(Some(&server), store.clone(), other, &files, &spans)).expect_err("another file");
    assert_eq!((error.kind(), store.used_bytes()), (ErrorKind::BadHash, 0));
}

#[test]
fn several_files_and_files_without_tensors() {
    let (mut files, mut spans) = model();
    files.push(random_file(50_000, 2));
    files.push(random_file(900, 3));
    spans.push(TensorSpan { file: 1, offset: 0, n_bytes: 50_000, block_bytes: 20 });
    let (server, store) = (Server::new(files.clone()), Store::default());
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!((report.downloaded_bytes, report.integrity), (total(&files), Integrity::Verified));
    server.forget_counts();
    let cancel = Cancel::new();
    let mut again =
        block_on(ModelFiles::open(Some(server.clone()), store, MODEL, unstated(), &|_| {}, &cancel)).expect("opens");
    assert!(again.is_stored());
    assert_eq!(block_on(again.prefix(2, 5000)).expect("reads"), files[2]);
    assert_eq!(server.n_requests(), 0);
}

#[test]
fn connections_cut_at_hundreds_of_seeded_offsets_cost_nothing() {
    let (files, spans) = model();
    for seed in 0..20 {
        let (server, store) = (Server::new(files.clone()), Store::default());
        let mut state = seed;
        let cuts = (0..20).map(|_| Some(random(&mut state) % 9000)).collect();
        server.script().cuts.replace(cuts);
        let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("resumes");
        assert_eq!(report.downloaded_bytes, total(&files), "pieces of a cut connection are kept");
        check_store(&store, &files);
    }
}

#[test]
fn a_killed_load_resumes_and_refetches_at_most_a_chunk_per_connection() {
    let (files, spans) = model();
    for seed in 0..20 {
        let (server, store) = (Server::new(files.clone()), Store::default());
        let mut state = seed;
        let mut kills = 0;
        // Each try dies at an operation somewhere, as a closed tab would.
        loop {
            server.0.operations.set(0);
            server.script().fail_at.set(if kills < 6 { 1 + random(&mut state) % 60 } else { 0 });
            let result = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans));
            check_store(&store, &files);
            if result.is_ok() {
                break;
            }
            kills += 1;
        }
        // A kill costs what two connections had of unfinished chunks, and the header that was read apart.
        let spent = server.sent_bytes() - total(&files);
        assert!(spent <= kills * (2 * CHUNK_BYTES + HEADER_BYTES), "seed {seed}: {spent} for {kills} kills");
    }
}

#[test]
fn servers_without_ranges_send_the_file_once() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().ranges.set(RangeMode::Ignored);
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!((report.downloaded_bytes, server.n_requests()), (total(&files), 1), "header and rest in one stream");
    check_store(&store, &files);

    // Cut: what is there is skipped.
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().ranges.set(RangeMode::Ignored);
    server.script().cuts.replace(vec![None, Some(60_000), Some(30_000), Some(1000)]);
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!(report.downloaded_bytes, 1000 + 30_000 + 60_000 + total(&files));
    check_store(&store, &files);

    // The connection fails whenever a range is asked for.
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().ranges.set(RangeMode::Unanswered);
    let report = block_on(load(Some(&server), store, stated(&files), &files, &spans)).expect("loads");
    assert_eq!((report.downloaded_bytes, server.n_requests()), (total(&files), 3));

    // No length either, but HEAD knows it.
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().ranges.set(RangeMode::Ignored);
    server.script().no_length.set(true);
    block_on(load(Some(&server), store, stated(&files), &files, &spans)).expect("loads");
}

#[test]
fn ranges_that_lie_or_hide_never_mix_bytes() {
    let (files, spans) = model();
    for mode in
        [RangeMode::WrongStart, RangeMode::WrongLength, RangeMode::Overlong, RangeMode::Hidden, RangeMode::AtMost(1500)]
    {
        for from_start in [true, false] {
            let (server, store) = (Server::new(files.clone()), Store::default());
            if from_start {
                server.script().ranges.set(mode);
            } else {
                server.script().fail_at.set(40);
                block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("is killed");
                assert!(store.used_bytes() > 0);
                server.script().ranges.set(mode);
            }
            // Without a stated hash, so that nothing but the answers themselves is there to be checked.
            block_on(load(Some(&server), store.clone(), unstated(), &files, &spans))
                .unwrap_or_else(|error| panic!("{mode:?} {from_start}: {error}"));
            check_store(&store, &files);
        }
    }
    // Another total than before is another file.
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().fail_at.set(40);
    block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("is killed");
    server.script().ranges.set(RangeMode::WrongTotal);
    let error = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("changed");
    assert!(error.data().contains_key("changed"));
    assert_eq!(store.used_bytes(), 0);
}

#[test]
fn a_server_that_stops_honouring_ranges_midway() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().fail_at.set(45);
    block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("is killed");
    let stored = store.used_bytes();
    server.script().ranges.set(RangeMode::Ignored);
    server.forget_counts();
    let report = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("loads");
    assert_eq!(
        (server.n_requests(), report.from_store_bytes),
        (1, stored),
        "one stream, and what is stored is skipped"
    );
    check_store(&store, &files);
}

#[test]
fn short_and_compressed_bodies_end_in_an_error() {
    let (files, spans) = model();
    for mode in [RangeMode::Honest, RangeMode::Ignored] {
        let (server, store) = (Server::new(files.clone()), Store::default());
        server.script().ranges.set(mode);
        server.script().short.set(Some(0));
        let error = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("no bytes");
        assert_eq!(error.kind(), ErrorKind::Network);
        // Half a body at a time is a slow server, no broken one; without ranges it never gets further.
        server.script().short.set(Some(10_000));
        let result = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans));
        assert_eq!(result.is_ok(), mode == RangeMode::Honest);
        check_store(&store, &files);
    }
    for (mode, encoding) in [(RangeMode::Ignored, "gzip"), (RangeMode::Ignored, "hidden"), (RangeMode::Honest, "gzip")]
    {
        let (server, store) = (Server::new(files.clone()), Store::default());
        server.script().ranges.set(mode);
        server.script().encoding.set(Some(encoding));
        let error = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("compressed");
        assert_eq!(error.kind(), ErrorKind::Network);
        let manifest = block_on(store.manifest(MODEL)).expect("reads");
        assert!(manifest.is_none_or(|manifest| !manifest.complete));
    }
}

#[test]
fn a_file_that_changes_midway_is_never_mixed() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().etag.replace(Some("v1".into()));
    server.script().fail_at.set(45);
    block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("is killed");
    assert!(store.used_bytes() > 0);
    let newer = vec![random_file(files[0].len(), 9)];
    server.0.files.replace(newer.clone());
    server.script().etag.replace(Some("v2".into()));
    let error = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect_err("changed");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.data().contains_key("changed"));
    assert_eq!(store.used_bytes(), 0, "the old chunks are gone");
    block_on(load(Some(&server), store.clone(), stated(&newer), &newer, &spans)).expect("starts afresh");
    check_store(&store, &newer);
}

#[test]
fn statuses() {
    let (files, spans) = model();
    // Busy and broken servers are tried again, as late as they ask for.
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().statuses.replace(vec![(503, None), (500, None), (429, Some("7"))]);
    let report = block_on(load(Some(&server), store, stated(&files), &files, &spans)).expect("loads");
    assert_eq!(
        (report.downloaded_bytes, server.0.slept_ms.borrow()[..3].to_vec()),
        (total(&files), vec![7000, 1000, 2000])
    );
    // Too late a Retry-After, too many failures, and statuses that will not change are for the caller.
    for (statuses, n_requests, status) in [
        (vec![(429, Some("3600"))], 1, 429),
        (vec![(503, None); 9], 6, 503),
        (vec![(404, None)], 1, 404),
        (vec![(403, None)], 1, 403),
    ] {
        let (server, store) = (Server::new(files.clone()), Store::default());
        server.script().statuses.replace(statuses);
        let error = block_on(load(Some(&server), store, unstated(), &files, &spans)).expect_err("fails");
        assert_eq!((error.kind(), server.n_requests()), (ErrorKind::Network, n_requests));
        assert_eq!(error.data()["status"], status);
        assert!(error.data().contains_key("url"));
    }
}

#[test]
fn a_bit_flipped_on_the_wire_never_reaches_ready() {
    let (files, spans) = model();
    for at in [10, 20_000, 79_002] {
        let (server, store) = (Server::new(files.clone()), Store::default());
        server.script().flip.set(Some((at, 1)));
        let load = async {
            let cancel = Cancel::new();
            let mut model =
                ModelFiles::open(Some(server.clone()), store.clone(), MODEL, stated(&files), &|_| {}, &cancel).await?;
            model.prefix(0, HEADER_BYTES).await?;
            let mut sink = Collected::default();
            model.stream(&spans, &mut sink, &|_| {}, &cancel).await
        };
        let error = block_on(load).expect_err("the hash is another");
        assert_eq!((error.kind(), store.used_bytes()), (ErrorKind::BadHash, 0));
        assert!(block_on(store.manifest(MODEL)).expect("reads").is_none());
    }
}

#[test]
fn a_bit_flipped_in_the_store_costs_one_chunk() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    let manifest = block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    for (file, index, chunk) in manifest.chunks() {
        let good = block_on(store.chunk(MODEL, file, index)).expect("reads").expect("is there");
        let mut bad = good.as_slice().to_vec();
        bad[index % 200] ^= 1;
        for bad in [Some(bad.into()), None] {
            store.damage(MODEL, file, index, bad);
            let error = block_on(load(None, store.clone(), unstated(), &files, &spans)).expect_err("cannot be mended");
            assert_eq!(error.kind(), ErrorKind::BadChunk);
            server.forget_counts();
            let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("mends");
            assert_eq!((report.refetched_chunks, report.downloaded_bytes), (1, chunk.len), "chunk {index}");
            assert_eq!((report.integrity, server.sent_bytes()), (Integrity::Verified, chunk.len));
            check_store(&store, &files);
        }
    }
    // The server sends something else for that chunk, again and again.
    store.damage(MODEL, 0, 5, None);
    server.script().flip.set(Some((manifest.files[0].chunks[5].start + 1, 2)));
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("third time");
    assert_eq!(report.refetched_chunks, 3);
    // One of two neighbours, which arrive over one connection.
    store.damage(MODEL, 0, 5, None);
    store.damage(MODEL, 0, 6, None);
    server.script().flip.set(Some((manifest.files[0].chunks[5].start + 1, 1)));
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("second time");
    assert_eq!(report.refetched_chunks, 3);
    check_store(&store, &files);
    store.damage(MODEL, 0, 5, None);
    server.script().flip.set(Some((manifest.files[0].chunks[5].start + 1, 3)));
    let error = block_on(load(Some(&server), store, stated(&files), &files, &spans)).expect_err("never");
    assert_eq!((error.kind(), error.data()["chunk"].as_u64()), (ErrorKind::BadChunk, Some(5)));
}

#[test]
fn a_full_store_keeps_what_it_has() {
    let (files, spans) = model();
    let n_bytes = total(&files);
    for limit_bytes in [0, CHUNK_BYTES, n_bytes - 1] {
        let (server, store) = (Server::new(files.clone()), Store::default());
        store.set_limit_bytes(limit_bytes);
        let error = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect_err("full");
        assert_eq!(error.kind(), ErrorKind::Quota);
        let kept = store.used_bytes();
        assert_eq!(error.data()["needed_bytes"].as_u64(), Some(n_bytes - kept));
        assert!(kept + CHUNK_BYTES > limit_bytes.min(n_bytes) && kept <= limit_bytes);
        check_store(&store, &files);
        store.set_limit_bytes(u64::MAX);
        let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("resumes");
        assert_eq!((report.from_store_bytes, report.downloaded_bytes), (kept, n_bytes - kept));
    }
}

#[test]
fn the_nth_operation_fails_for_every_n() {
    let (files, spans) = model();
    let mut completed = 0;
    for (of_store, late) in [(false, false), (true, false), (true, true)] {
        for n in 1.. {
            let (server, store) = (Server::new(files.clone()), FaultyStore::default());
            store.fail_late.set(late);
            if of_store {
                store.fail_at.set(n)
            } else {
                server.script().fail_at.set(n)
            }
            let result = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans));
            check_store(&store.inner, &files);
            match result {
                // The n-th operation never came.
                Ok(_) => break,
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Storage | ErrorKind::Network), "{error}"),
            }
            let report =
                block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("recovers");
            assert_eq!(report.integrity, Integrity::Verified);
            check_store(&store.inner, &files);
            let spent = server.sent_bytes() - total(&files);
            assert!(spent <= 5 * CHUNK_BYTES + HEADER_BYTES, "n = {n}: {spent} bytes fetched again");
            completed += 1;
        }
    }
    assert!(completed > 150, "{completed} failures were tried");
}

#[test]
fn two_tabs_download_once() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let tab = || load(Some(&server), store.clone(), stated(&files), &files, &spans);
    let (first, second) = block_on(futures_util::future::join(tab(), tab()));
    let (first, second) = (first.expect("loads"), second.expect("loads"));
    assert_eq!((first.downloaded_bytes, second.downloaded_bytes), (total(&files), 0));
    assert_eq!(server.sent_bytes(), total(&files));
}

#[test]
fn cancelling_keeps_what_is_there_and_frees_the_lock() {
    let (files, spans) = model();
    let mut interrupted = 0;
    for after_bytes in (0..total(&files)).step_by(7001) {
        let (server, store) = (Server::new(files.clone()), Store::default());
        let cancel = Cancel::new();
        let result = block_on(async {
            let options = stated(&files);
            let mut model =
                ModelFiles::open(Some(server.clone()), store.clone(), MODEL, options, &|_| {}, &cancel).await?;
            model.prefix(0, HEADER_BYTES).await?;
            let progress = |progress: Progress| {
                if progress.loaded_bytes >= after_bytes {
                    cancel.cancel();
                }
            };
            let mut sink = Collected::default();
            model.stream(&spans, &mut sink, &progress, &cancel).await
        });
        assert_eq!(result.expect_err("is cancelled").kind(), ErrorKind::Aborted);
        assert_eq!(server.0.open.get(), 0, "no connection stays open");
        check_store(&store, &files);
        interrupted += 1;
        let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("resumes");
        assert_eq!(report.integrity, Integrity::Verified);
        block_on(delete_model(&store, MODEL, &Cancel::new())).expect("deletes");
        assert_eq!((store.used_bytes(), block_on(store.list()).expect("lists").len()), (0, 0));
    }
    assert!(interrupted > 8);
    // Waiting for another tab ends too.
    let store = Store::default();
    let _guard = block_on(store.lock(MODEL, Access::Alone)).expect("locks");
    let cancel = Cancel::new();
    let waiting = |progress: Progress| {
        assert_eq!(progress.phase, Phase::Waiting);
        cancel.cancel();
    };
    let server = Server::new(files);
    let opened = block_on(ModelFiles::open(Some(server), store.clone(), MODEL, unstated(), &waiting, &cancel));
    assert_eq!(opened.err().map(|error| error.kind()), Some(ErrorKind::Aborted));
}

#[test]
fn headers_grow_without_being_fetched_twice() {
    let (files, spans) = model();
    for mode in [RangeMode::Honest, RangeMode::Ignored, RangeMode::Hidden] {
        let (server, store) = (Server::new(files.clone()), Store::default());
        server.script().ranges.set(mode);
        let cancel = Cancel::new();
        let mut sink = Collected::default();
        let report = block_on(async {
            let mut model =
                ModelFiles::open(Some(server.clone()), store.clone(), MODEL, stated(&files), &|_| {}, &cancel).await?;
            assert_eq!(model.file_bytes(0), 0);
            for n_bytes in [10, 100, 100, 5000, 12_289] {
                assert_eq!(model.prefix(0, n_bytes).await?, files[0][..n_bytes as usize]);
                assert_eq!(model.file_bytes(0), total(&files));
            }
            let report = model.stream(&spans, &mut sink, &|_| {}, &cancel).await?;
            assert!(!store.is_locked(MODEL, Access::Alone).await, "a complete model keeps nobody waiting");
            assert_eq!(model.prefix(0, 5000).await?, files[0][..5000], "from the store now");
            Ok(report)
        });
        let report = report.unwrap_or_else(|error: Error| panic!("{mode:?}: {error}"));
        sink.check(&files, &spans);
        assert_eq!((report.downloaded_bytes, report.integrity), (total(&files), Integrity::Verified));
    }
}

#[test]
fn false_headers_and_other_addresses() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let beyond = [TensorSpan { file: 0, offset: 4000, n_bytes: total(&files), block_bytes: 4 }];
    let error = block_on(load(Some(&server), store.clone(), unstated(), &files, &beyond)).expect_err("beyond the file");
    assert_eq!(error.kind(), ErrorKind::BadFile);
    let error = block_on(load(None, store.clone(), unstated(), &files, &spans)).expect_err("is not stored");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // The same name from another address: nothing of the old files is used.
    block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("loads");
    let more = vec![random_file(79_003, 5), random_file(5000, 6)];
    let server = Server::new(more.clone());
    let report = block_on(load(Some(&server), store.clone(), unstated(), &more, &spans)).expect("loads");
    assert_eq!((report.downloaded_bytes, report.warnings.len()), (total(&more), 1));
    check_store(&store, &more);
    // Another reading of the header, which the old cuts would split.
    let other = [TensorSpan { file: 0, offset: 3000, n_bytes: 70 * 1000, block_bytes: 70 }];
    let report = block_on(load(Some(&server), store.clone(), unstated(), &more, &other)).expect("loads");
    assert!(report.downloaded_bytes > 0);
    check_store(&store, &more);
}

#[test]
fn files_on_disk_and_a_store_that_forgets() {
    let (files, spans) = model();
    let path = std::env::temp_dir().join(format!("doran-weights-{}.gguf", std::process::id()));
    std::fs::write(&path, &files[0]).expect("the temporary directory can be written");
    let store = Store::new(Some("nothing is kept".into()));
    let cancel = Cancel::new();
    let mut sink = Collected::default();
    let report = block_on(async {
        let source = FileSource::new([&path]);
        let mut model = ModelFiles::open(Some(source), store, MODEL, stated(&files), &|_| {}, &cancel).await?;
        model.prefix(0, HEADER_BYTES).await?;
        model.stream(&spans, &mut sink, &|_| {}, &cancel).await
    });
    std::fs::remove_file(&path).expect("it is there");
    let report = report.expect("loads");
    sink.check(&files, &spans);
    assert_eq!((report.integrity, report.warnings), (Integrity::Verified, vec!["nothing is kept".to_owned()]));
    let missing = FileSource::new([path]);
    let opened = block_on(async {
        ModelFiles::open(Some(missing), Store::default(), MODEL, unstated(), &|_| {}, &cancel).await?.prefix(0, 8).await
    });
    assert_eq!(opened.expect_err("is gone").kind(), ErrorKind::Storage);
}

#[test]
fn a_directory_keeps_a_model() {
    let (files, spans) = model();
    let root = std::env::temp_dir().join(format!("doran-directory-{}", std::process::id()));
    let (server, store) = (Server::new(files.clone()), DirectoryStore::new(&root));
    server.script().fail_at.set(60);
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect_err("is killed");
    let kept = block_on(store.usage()).expect("counts").used_bytes.expect("is known");
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("resumes");
    assert!(kept > 0 && report.from_store_bytes == kept);
    let report = block_on(load(None, store.clone(), stated(&files), &files, &spans)).expect("loads");
    assert_eq!((report.downloaded_bytes, report.from_store_bytes), (0, total(&files)));
    assert_eq!(block_on(store.list()).expect("lists")[0].model, MODEL);
    block_on(delete_model(&store, MODEL, &Cancel::new())).expect("deletes");
    assert!(block_on(store.list()).expect("lists").is_empty());
    std::fs::remove_dir_all(root).expect("it is there");
}
