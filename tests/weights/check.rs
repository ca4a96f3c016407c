//! Looking after what is stored.

use std::cell::Cell;

use doran::weights::manifest::ChunkEntry;
use doran::weights::{Manifest, check_model, evict_oldest};
use futures_util::FutureExt;

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
            manifest.files[0].chunks.push(ChunkEntry { start: 0, len: 10, sha256: None, stored: true });
        }
        block_on(store.put_manifest(&manifest)).expect("writes");
    }
    let evict = || {
        // Nobody waits for a lock that another has.
        let evicted = evict_oldest(&store, "mine", &Cancel::new()).now_or_never();
        evicted.expect("does not wait").expect("works")
    };
    let guard = block_on(store.lock("old")).expect("free");
    assert_eq!(evict().as_deref(), Some("middle"));
    drop(guard);
    assert_eq!([evict(), evict(), evict()], [Some("old".to_owned()), Some("new".to_owned()), None]);
    let left: Vec<_> = block_on(store.list()).expect("lists").into_iter().map(|manifest| manifest.model).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
