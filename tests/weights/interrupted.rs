//! Downloads that the caller, the network or the publisher interrupts: pauses, no network, addresses that expire, files that change.

use std::cell::RefCell;

use super::faulty::{Collected, Server, pause as turn, random_file};
use super::{HEADER_BYTES, MODEL, Store, check_store, load, model, stated, total, unstated};
use doran::weights::{Cancel, ChunkStore, LoadOptions, LoadReport, ModelFiles, Pause, Phase, Progress, Update};
use doran::{ErrorKind, Result};
use futures_util::future::join;
use pollster::block_on;

/// A load whose progress is looked at.
async fn load_told(
    server: &Server,
    store: &Store,
    options: LoadOptions,
    progress: &dyn Fn(Progress),
) -> Result<LoadReport> {
    let (files, spans) = model();
    let cancel = Cancel::new();
    let mut model = ModelFiles::open(Some(server.clone()), store.clone(), MODEL, options, &|_| {}, &cancel).await?;
    model.prefix(0, HEADER_BYTES).await?;
    let mut sink = Collected::default();
    let report = model.stream(&spans, &mut sink, progress, &cancel).await?;
    sink.check(&files, &spans);
    Ok(report)
}

#[test]
fn a_pause_closes_connections_and_costs_no_byte() {
    let (files, _) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let pause = Pause::default();
    let phases = RefCell::new(Vec::new());
    let on_progress = |progress: Progress| {
        phases.borrow_mut().push(progress.phase);
        // Half-way, once.
        if progress.downloaded_bytes > total(&files) / 2 && !phases.borrow().contains(&Phase::Paused) {
            pause.set(true);
        }
    };
    let options = LoadOptions { pause: pause.clone(), ..stated(&files) };
    let seen_while_paused = async {
        for _ in 0..10_000 {
            if phases.borrow().contains(&Phase::Paused) {
                break;
            }
            turn().await;
        }
        assert!(phases.borrow().contains(&Phase::Paused), "it is told that it is paused");
        // Whatever was on its way has come by now.
        for _ in 0..1000 {
            turn().await;
        }
        let sent = server.sent_bytes();
        for _ in 0..1000 {
            turn().await;
        }
        let seen = (server.0.open.get(), server.sent_bytes() - sent);
        pause.set(false);
        seen
    };
    let (report, seen) = block_on(join(load_told(&server, &store, options, &on_progress), seen_while_paused));
    assert_eq!(seen, (0, 0), "connections, and bytes that came while it was paused");
    assert_eq!(report.expect("goes on").downloaded_bytes, total(&files), "nothing is fetched twice");
    assert_eq!(phases.borrow().last(), Some(&Phase::Verifying));
    check_store(&store, &files);
}

#[test]
fn a_paused_load_can_be_aborted() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let (pause, cancel) = (Pause::default(), Cancel::new());
    pause.set(true);
    let work = async {
        let options = LoadOptions { pause, ..stated(&files) };
        let mut model = ModelFiles::open(Some(server.clone()), store.clone(), MODEL, options, &|_| {}, &cancel).await?;
        model.stream(&spans, &mut Collected::default(), &|_| {}, &cancel).await
    };
    let aborting = async {
        for _ in 0..100 {
            turn().await;
        }
        cancel.cancel();
    };
    let (result, ()) = block_on(join(work, aborting));
    assert_eq!(result.expect_err("is aborted").kind(), ErrorKind::Aborted);
    assert_eq!(server.n_requests(), 0);
}

#[test]
fn without_a_network_a_load_waits_and_goes_on() {
    let (files, _) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    let phases = RefCell::new(Vec::new());
    let on_progress = |progress: Progress| {
        phases.borrow_mut().push(progress.phase);
        if progress.downloaded_bytes > total(&files) / 2 && !phases.borrow().contains(&Phase::Offline) {
            // For longer than all the tries that a server gets.
            server.script().offline.set(10_000);
        }
    };
    let report = block_on(load_told(&server, &store, stated(&files), &on_progress)).expect("goes on");
    assert!(phases.borrow().contains(&Phase::Offline));
    assert_eq!(report.downloaded_bytes, total(&files));
    assert!(server.0.slept_ms.borrow().is_empty(), "a network that is back is used at once");
    check_store(&store, &files);
}

#[test]
fn an_address_that_expired_is_resolved_anew() {
    let (files, spans) = model();
    for status in [401, 403, 410] {
        // Ten addresses expire on the way: each but the first connection meets one, and the file's own address leads to the next.
        let (server, store) = (Server::new(files.clone()), Store::default());
        server.script().resolved.set(true);
        server.script().piece_bytes.set(Some(1000));
        server.script().cuts.replace((0..30).map(|_| Some(5000)).collect());
        server.script().statuses.replace([(status, None), (206, None)].repeat(10));
        let report = block_on(load(Some(&server), store.clone(), stated(&files), &files, &spans)).expect("resolves");
        assert_eq!(report.downloaded_bytes, total(&files));
        check_store(&store, &files);

        // One that is refused each time is refused; and so is one that nothing led to.
        for (resolved, n_requests) in [(true, 3), (false, 1)] {
            let (server, store) = (Server::new(files.clone()), Store::default());
            server.script().resolved.set(resolved);
            server.script().statuses.replace(vec![(status, None); 9]);
            let error = block_on(load(Some(&server), store, unstated(), &files, &spans)).expect_err("is refused");
            assert_eq!((error.kind(), server.n_requests()), (ErrorKind::Network, n_requests));
            assert_eq!(error.data()["status"], status);
        }
    }
}

#[test]
fn a_changed_file_is_noticed_and_replaced_if_that_is_wanted() {
    let (files, spans) = model();
    let (server, store) = (Server::new(files.clone()), Store::default());
    server.script().etag.replace(Some("v1".into()));
    let report = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("loads");
    assert!(!report.is_outdated);
    let report = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("loads");
    assert_eq!((report.is_outdated, server.0.looks.get(), report.warnings.len()), (false, 1, 0));

    let newer = vec![random_file(files[0].len(), 9)];
    server.0.files.replace(newer.clone());
    server.script().etag.replace(Some("v2".into()));
    server.forget_counts();
    let report = block_on(load(Some(&server), store.clone(), unstated(), &files, &spans)).expect("the stored one");
    assert_eq!((report.is_outdated, report.downloaded_bytes, report.warnings.len()), (true, 0, 1));
    check_store(&store, &files);
    // Whoever states the hash, or wants nobody asked, has what is stored.
    let looks = server.0.looks.get();
    let never = LoadOptions { update: Update::Never, ..unstated() };
    for options in [stated(&files), never] {
        let report = block_on(load(Some(&server), store.clone(), options, &files, &spans)).expect("the stored one");
        assert!(!report.is_outdated);
    }
    assert_eq!((server.0.looks.get(), server.n_requests()), (looks, 0));

    let update = LoadOptions { update: Update::Replace, ..unstated() };
    let report = block_on(load(Some(&server), store.clone(), update.clone(), &newer, &spans)).expect("the new one");
    assert_eq!((report.downloaded_bytes, report.warnings.len()), (total(&newer), 1));
    check_store(&store, &newer);
    server.forget_counts();
    let report = block_on(load(Some(&server), store.clone(), update.clone(), &newer, &spans)).expect("the same");
    assert_eq!((report.is_outdated, server.n_requests()), (false, 0));
    // Of two tabs that update at once, one does.
    server.0.files.replace(files.clone());
    server.script().etag.replace(Some("three".into()));
    let again = || load(Some(&server), store.clone(), update.clone(), &files, &spans);
    let (one, other) = block_on(join(again(), again()));
    let downloaded = [one, other].map(|report| report.expect("loads").downloaded_bytes);
    assert_eq!(downloaded.iter().sum::<u64>(), total(&files), "{downloaded:?}");
    check_store(&store, &files);
    // Where nobody answers, what is stored is used.
    server.script().fail_at.set(server.0.operations.get() + 1);
    let report = block_on(load(Some(&server), store.clone(), update.clone(), &files, &spans)).expect("the stored one");
    assert_eq!(report.downloaded_bytes, 0);
    assert!(block_on(store.manifest(MODEL)).expect("reads").expect("is there").complete);
}
