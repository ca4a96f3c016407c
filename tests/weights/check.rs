//! Looking after what is stored.

use std::cell::Cell;

use doran::weights::manifest::ChunkEntry;
use doran::weights::{Access, Manifest, check_model, evict_oldest, shared};
use futures_util::FutureExt;
use futures_util::future::join;

use super::*;

#[test]
fn a_check_finds_what_is_damaged_and_the_next_load_fetches_only_that() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    let check = || {
        let seen = RefCell::new(Vec::new());
        let progress = |progress: Progress| seen.borrow_mut().push((progress.loaded_bytes, progress.total_bytes));
        let checked = block_on(check_model(&store, MODEL, &progress, &Cancel::new())).expect("checks");
        (checked, seen.into_inner())
    };
    let total = files[0].len() as u64;
    let (checked, seen) = check();
    assert_eq!((checked.bytes, checked.damaged, checked.chunks), (total, 0, seen.len()));
    assert_eq!(seen.last(), Some(&(total, total)));
    assert!(block_on(store.manifest(MODEL)).expect("reads").expect("is there").complete);

    let manifest = block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    let mut bad = block_on(store.chunk(MODEL, 0, 4)).expect("reads").expect("is there").as_slice().to_vec();
    bad[17] ^= 64;
    store.damage(MODEL, 0, 4, Some(bad.into()));
    store.damage(MODEL, 0, 9, None);
    assert_eq!(check().0.damaged, 2);
    let after = block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    assert!(!after.complete);
    assert_eq!(after.chunks().filter(|(_, _, chunk)| !chunk.stored).count(), 2);
    server.forget_counts();
    let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("mends");
    let lens = manifest.files[0].chunks[4].len + manifest.files[0].chunks[9].len;
    assert_eq!((report.downloaded_bytes, server.sent_bytes()), (lens, lens));
    assert_eq!(check().0.damaged, 0);
}

#[test]
fn a_check_of_nothing_and_an_aborted_one_are_errors() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let check = |cancel: &Cancel| block_on(check_model(&store, MODEL, &|_| (), cancel)).expect_err("fails").kind();
    assert_eq!(check(&Cancel::new()), ErrorKind::NotFound);
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(check(&cancel), ErrorKind::Aborted);
    // In the middle as well.
    let (cancel, checked) = (Cancel::new(), Cell::new(0));
    let progress = |_| {
        checked.set(checked.get() + 1);
        cancel.cancel();
    };
    let error = block_on(check_model(&store, MODEL, &progress, &cancel)).expect_err("is aborted");
    assert_eq!((error.kind(), checked.get()), (ErrorKind::Aborted, 1));
}

#[test]
fn what_was_not_used_for_the_longest_goes_first_and_never_what_is_locked() {
    let store = Store::default();
    for (model, used_ms) in [("new", 3.0), ("old", 1.0), ("middle", 2.0), ("mine", 0.0), ("empty", 0.5)] {
        let mut manifest = Manifest::new(model, ["u".to_owned()], used_ms);
        manifest.last_used_ms = used_ms;
        if model != "empty" {
            manifest.files[0].chunks.push(ChunkEntry { start: 0, len: 10, sha256: None, xxh64: None, stored: true });
        }
        block_on(store.put_manifest(&manifest)).expect("writes");
    }
    let evict = || {
        // Nobody waits for a lock that another has.
        let evicted = evict_oldest(&store, "mine", &Cancel::new()).now_or_never();
        evicted.expect("does not wait").expect("works")
    };
    // Who loads a model that is stored reads it.
    let guard = block_on(store.lock("old", Access::Shared)).expect("free");
    assert_eq!(evict().as_deref(), Some("middle"));
    drop(guard);
    assert_eq!([evict(), evict(), evict()], [Some("old".to_owned()), Some("new".to_owned()), None]);
    let left: Vec<_> = block_on(store.list()).expect("lists").into_iter().map(|manifest| manifest.model).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn when_all_was_found_to_be_right_is_known_after_a_load_and_a_check_and_not_after_damage() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let manifest = || block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    // A clock that stands still tells nothing: what is noted is set back by hand.
    let forget = |verified_ms| block_on(store.put_manifest(&Manifest { verified_ms, ..manifest() })).expect("writes");
    let check = || block_on(check_model(&store, MODEL, &|_| (), &Cancel::new())).expect("checks").damaged;
    store.set_limit_bytes(30_000);
    let load = |options| block_on(super::load(Some(&server), store.clone(), options, &files, &spans));
    load(stated(&files)).expect_err("has no room");
    assert!(manifest().stored_bytes() > 0 && check() == 0);
    assert_eq!(manifest().verified_ms, None, "what is not whole is not verified, by a load or a check");
    store.set_limit_bytes(u64::MAX);
    load(stated(&files)).expect("loads");
    assert_eq!(manifest().verified_ms, Some(manifest().last_used_ms));
    for known in [None, Some(1.0)] {
        forget(known);
        assert_eq!(check(), 0);
        let checked_ms = manifest().verified_ms.expect("a check notes it");
        assert!(checked_ms >= manifest().last_used_ms);
        forget(known);
        load(unstated()).expect("loads");
        assert!(manifest().verified_ms.expect("a load of stored chunks notes it") >= checked_ms);
    }
    store.damage(MODEL, 0, 3, None);
    assert_eq!(check(), 1);
    assert_eq!(manifest().verified_ms, None);
    load(unstated()).expect("mends");
    assert_eq!(manifest().verified_ms, Some(manifest().last_used_ms));
}

#[test]
fn manifests_without_that_date_and_with_fields_of_a_later_version_are_read() {
    let old = include_str!("../fixtures/store/manifest-1.json");
    let read: Manifest = serde_json::from_str(old).expect("reads");
    assert_eq!((read.verified_ms, read.complete, read.is_sound()), (None, true, true));
    let without = serde_json::to_value(&read).expect("writes");
    assert_eq!(without.get("verified_ms"), None, "nothing is made up");
    let mut later = without.clone();
    later["verified_ms"] = 5.5.into();
    later["of_a_later_version"] = "x".into();
    let later: Manifest = serde_json::from_value(later).expect("reads");
    assert_eq!(later, Manifest { verified_ms: Some(5.5), ..read });
}

#[test]
fn chunks_of_the_same_bytes_are_told_of_each_model_that_stores_them() {
    let chunk =
        |hash: &str, len, stored| ChunkEntry { start: 0, len, sha256: Some(hash.to_owned()), xxh64: None, stored };
    let model = |name: &str, chunks: Vec<ChunkEntry>| {
        let mut manifest = Manifest::new(name, ["u".to_owned()], 0.0);
        manifest.files[0].chunks = chunks;
        manifest
    };
    let manifests = [
        model("b", vec![chunk("1", 10, true), chunk("2", 20, true), chunk("3", 40, true)]),
        model("a", vec![chunk("2", 20, true), chunk("1", 10, true), chunk("1", 10, true)]),
        // Twice in one model is no matter of others, and what is not stored is not there twice.
        model("alone", vec![chunk("4", 5, true), chunk("4", 5, true), chunk("3", 40, false)]),
        model("c", vec![chunk("2", 20, true)]),
    ];
    let told = shared(&manifests);
    let told: Vec<_> = told.iter().map(|shared| (shared.bytes, shared.with.join(" "))).collect();
    let wanted = [(30, "a c"), (40, "b c"), (0, ""), (20, "a b")];
    assert_eq!(told, wanted.map(|(bytes, with)| (bytes, with.to_owned())));
}

/// Many read a model that is stored, and while anyone does nobody removes it.
#[test]
fn what_is_being_read_stays() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    block_on(super::load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("loads");
    let cancel = Cancel::new();
    let open = || ModelFiles::open(Some(server.clone()), store.clone(), MODEL, unstated(), &|_| {}, &cancel);
    let evict = || evict_oldest(&store, "mine", &cancel).now_or_never().expect("does not wait").expect("works");
    let delete = || delete_model(&store, MODEL, &cancel);
    let [mut one, other] = [open(), open()].map(|open| open.now_or_never().expect("does not wait").expect("opens"));
    assert_eq!((evict(), delete().now_or_never().is_none()), (None, true));
    drop(other);
    let mut removed = Box::pin(delete());
    let mut sink = Collected::default();
    block_on(async {
        one.prefix(0, 100).await.expect("reads");
        let (report, gone) = join(one.stream(&spans, &mut sink, &|_| {}, &cancel), removed.as_mut()).await;
        report.expect("reads to its end");
        gone.expect("then removes");
    });
    sink.check(&files, &spans);
    assert_eq!((store.used_bytes(), block_on(store.manifest(MODEL)).expect("reads")), (0, None));
}

/// What is removed under a reader's hands is not claimed to be there.
#[test]
fn claims_go_with_what_was_removed() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let load = || super::load(Some(&server), store.clone(), unstated(), &files, &spans);
    block_on(load()).expect("loads");
    let (cancel, removed) = (Cancel::new(), Cell::new(false));
    let mut sink = Collected::default();
    let remove = |progress: Progress| {
        if progress.loaded_bytes > 5 * CHUNK_BYTES && !removed.replace(true) {
            block_on(store.delete(MODEL)).expect("removes");
        }
    };
    block_on(async {
        let open = ModelFiles::open(Some(server.clone()), store.clone(), MODEL, unstated(), &|_| {}, &cancel);
        let mut model = open.await.expect("opens");
        model.prefix(0, 100).await.expect("reads");
        model.stream(&spans, &mut sink, &remove, &cancel).await.expect("fetches what is missing");
    });
    sink.check(&files, &spans);
    let manifest = block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    assert!(!manifest.complete && manifest.stored_bytes() < total(&files), "the chunks before are gone");
    block_on(load()).expect("loads what is missing");
    check_store(&store, &files);
}

/// A stored model is read where nothing can be written, as on a disk that is full: only the date of its last use is lost.
#[test]
fn what_is_stored_loads_where_nothing_can_be_written() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), FaultyStore::default());
    let load = || block_on(super::load(Some(&server), store.clone(), unstated(), &files, &spans));
    load().expect("loads");
    let begun = store.operations.get();
    load().expect("from the store");
    let operations = store.operations.get() - begun;
    store.fail_at.set(store.operations.get() + operations);
    server.forget_counts();
    load().expect("the last operation is the date");
    assert_eq!(server.n_requests(), 0);
}

#[test]
fn what_was_stored_without_a_fast_hash_is_held_against_its_sha256() {
    assert_eq!(xxh64(&VecBytes::from(b"abc".to_vec())), "44bc2cf5ad770999");
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    let mut manifest = block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    for chunk in manifest.files.iter_mut().flat_map(|file| &mut file.chunks) {
        assert!(chunk.xxh64.take().is_some());
    }
    block_on(store.put_manifest(&manifest)).expect("stores");
    block_on(load(None, store.clone(), unstated(), &files, &spans)).expect("is whole");
    let good = block_on(store.chunk(MODEL, 0, 5)).expect("reads").expect("is there");
    let mut bad = good.as_slice().to_vec();
    bad[3] ^= 1;
    store.damage(MODEL, 0, 5, Some(bad.into()));
    let error = block_on(load(None, store, unstated(), &files, &spans)).expect_err("cannot be mended");
    assert_eq!(error.kind(), ErrorKind::BadChunk);
}
