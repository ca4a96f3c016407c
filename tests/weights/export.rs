//! Stored files come out as they were.

use doran::weights::{Manifest, export_model};

use super::*;

/// What comes out, file by file, with the addresses; and how far it was told to be.
fn export(store: &Store, cancel: &Cancel, after: impl Fn(u64)) -> (Result<Vec<String>>, Vec<Vec<u8>>, Vec<u64>) {
    let (mut files, told) = (Vec::new(), RefCell::new(Vec::new()));
    let mut take = |file: usize, bytes: VecBytes| {
        files.resize(files.len().max(file + 1), Vec::new());
        assert!(bytes.as_slice().len() as u64 <= CHUNK_BYTES, "a chunk at a time");
        files[file].extend_from_slice(bytes.as_slice());
        Ok(())
    };
    let progress = |progress: Progress| {
        told.borrow_mut().push(progress.loaded_bytes);
        after(progress.loaded_bytes);
    };
    let urls = block_on(export_model(store, MODEL, &mut take, &progress, cancel));
    (urls, files, told.into_inner())
}

#[test]
fn exported_files_are_those_that_were_loaded() {
    let (mut files, spans) = model();
    files.push(random_file(777, 2));
    let (server, store) = (Server::new(files.clone()), Store::default());
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");
    let before = block_on(store.manifest(MODEL)).expect("reads");
    let (urls, exported, told) = export(&store, &Cancel::new(), |_| ());
    let stored: Vec<_> = before.iter().flat_map(|manifest| &manifest.files).map(|file| file.url.clone()).collect();
    assert_eq!((urls.expect("exports"), exported == files), (stored, true));
    assert!(told.len() > 20 && told.is_sorted());
    assert_eq!(told.last(), Some(&total(&files)));
    assert_eq!(block_on(store.manifest(MODEL)).expect("reads"), before, "nothing changes");
}

#[test]
fn what_is_not_there_not_whole_damaged_or_aborted_is_a_typed_error() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let manifest = || block_on(store.manifest(MODEL)).expect("reads").expect("is there");
    let fails = |cancel: &Cancel| export(&store, cancel, |_| ()).0.expect_err("fails");
    assert_eq!(fails(&Cancel::new()).kind(), ErrorKind::NotFound);

    store.set_limit_bytes(30_000);
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect_err("has no room");
    let error = fails(&Cancel::new());
    assert_eq!(error.kind(), ErrorKind::BadArgument);
    assert_eq!(error.data()["stored_bytes"], manifest().stored_bytes());
    assert_eq!(error.data()["total_bytes"], total(&files));
    store.set_limit_bytes(u64::MAX);
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("loads");

    let (cancel, whole) = (Cancel::new(), manifest());
    let (error, exported, told) = export(&store, &cancel, |_| cancel.cancel());
    assert_eq!((error.expect_err("is aborted").kind(), told.len()), (ErrorKind::Aborted, 1));
    assert_eq!(exported[0].len() as u64, whole.files[0].chunks[0].len);
    assert_eq!(manifest(), whole, "nothing changes");

    let mut bad = block_on(store.chunk(MODEL, 0, 4)).expect("reads").expect("is there").as_slice().to_vec();
    bad[17] ^= 64;
    store.damage(MODEL, 0, 4, Some(bad.into()));
    let error = fails(&Cancel::new());
    assert_eq!((error.kind(), error.data()["chunk"].clone()), (ErrorKind::BadChunk, 4.into()));
    let mut marked = Manifest { complete: false, verified_ms: None, ..whole };
    marked.files[0].chunks[4].stored = false;
    assert_eq!(manifest(), marked, "and nothing else changes");
    server.forget_counts();
    block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("mends");
    assert_eq!(server.sent_bytes(), marked.files[0].chunks[4].len);
    assert!(export(&store, &Cancel::new(), |_| ()).1 == files);
}
