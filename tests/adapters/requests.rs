//! How requests use adapters: what is cached is theirs that made it, what was used before is not made again, and what is unloaded
//! is free.

use doran::ErrorKind;
use doran::engine::EngineOptions;
use doran::gpu::device::GpuOptions;
use doran::weights::Cancel;

use super::{adapter, answer, load_files, logits, uses};
use crate::common::{fixture, gpu, ids, json, load};

fn prompt() -> Vec<u32> {
    ids(&json("adapters/llama/golden.json")["ids"])
}

#[test]
fn switching_back_makes_nothing_and_scales_are_one_write() {
    let gpu = gpu(GpuOptions::default());
    let mut engine =
        load(&fixture("arch/llama/model-f32.gguf"), Some(gpu.clone()), EngineOptions::default()).expect("loads");
    let prompt = prompt();
    let (plain, _) = logits(&mut engine, &prompt, &[]);
    let labels = engine.session.backend().decode_labels();
    let (one, two) = (adapter(&engine, "llama/plain"), adapter(&engine, "llama/patterns"));
    let sets = [uses(&[(&one, 1.0)]), uses(&[(&two, 1.0)]), uses(&[(&one, 0.5), (&two, -1.25)]), Vec::new()];
    let first: Vec<_> = sets.iter().map(|set| logits(&mut engine, &prompt, set).0).collect();
    assert_eq!(first[3], plain, "the model alone is what it was, to the bit");
    assert!(first.iter().take(3).all(|logits| *logits != plain));
    let before = gpu.counts();
    for (set, wanted) in sets.iter().zip(&first).rev() {
        assert_eq!(logits(&mut engine, &prompt, set).0, *wanted, "the same set gives the same logits, to the bit");
    }
    // Another scale, of one of two.
    let scaled = logits(&mut engine, &prompt, &uses(&[(&one, 0.5), (&two, 2.0)])).0;
    assert_ne!(scaled, first[2]);
    let after = gpu.counts();
    let made = [after.created - before.created, after.pipelines - before.pipelines];
    assert_eq!(made, [0, 0], "sets that were used before make nothing");
    assert_eq!((after.gpu_bytes, after.live_objects), (before.gpu_bytes, before.live_objects));

    // One adapter's scale is one write: the same request again, and with another scale.
    let mut writes = |set: &[_]| {
        let before = gpu.counts().buffer_writes;
        pollster::block_on(engine.session.use_adapters(set)).expect("adapters");
        gpu.counts().buffer_writes - before
    };
    assert_eq!(writes(&uses(&[(&one, 0.5), (&two, 2.0)])), 0);
    assert_eq!(writes(&uses(&[(&one, 0.5), (&two, 3.0)])), 1);
    assert_eq!(writes(&[]), 0);
    assert_eq!(engine.session.backend().decode_labels(), labels);
}

#[test]
fn a_token_with_adapters_is_one_submit_and_creates_nothing() {
    let gpu = gpu(GpuOptions::default());
    let options = EngineOptions { run_ahead: Some(0), ..EngineOptions::default() };
    let mut engine = load(&fixture("arch/llama/model-f32.gguf"), Some(gpu.clone()), options).expect("loads");
    let one = adapter(&engine, "llama/plain");
    let mut spent = |n| {
        let before = gpu.counts();
        answer(&mut engine, &prompt(), n, &uses(&[(&one, 1.0)])).expect("answers");
        let after = gpu.counts();
        [after.submits - before.submits, after.created - before.created, after.buffer_writes - before.buffer_writes]
    };
    spent(3);
    let (short, long) = (spent(3), spent(13));
    let ten: Vec<u64> = long.iter().zip(short).map(|(long, short)| long - short).collect();
    assert_eq!(ten, [10, 0, 0]);
}

#[test]
fn what_is_cached_is_theirs_that_made_it() {
    for on_gpu in [true, false] {
        let gpu = on_gpu.then(|| gpu(GpuOptions::default()));
        let mut engine = load(&fixture("arch/llama/model-f32.gguf"), gpu, EngineOptions::default()).expect("loads");
        let (one, two) = (adapter(&engine, "llama/plain"), adapter(&engine, "llama/patterns"));
        let prompt = prompt();
        let n = prompt.len() - 1;
        let mut cached = |set: &[_]| answer(&mut engine, &prompt, 2, set).expect("answers").1;
        // After each answer the cache has the prompt: for the same adapters and scales only.
        assert_eq!(cached(&[]), 0);
        assert_eq!(cached(&uses(&[(&one, 1.0)])), 0);
        assert_eq!(cached(&uses(&[(&one, 1.0)])), n);
        assert_eq!(cached(&uses(&[(&one, 0.5)])), 0);
        assert_eq!(cached(&uses(&[(&one, 0.5), (&two, 0.0)])), n, "a scale of 0 is no adapter");
        assert_eq!(cached(&uses(&[(&one, 0.5), (&two, 1.0)])), 0);
        assert_eq!(cached(&uses(&[(&two, 0.0)])), 0);
        assert_eq!(cached(&[]), n);
    }
}

#[test]
fn what_is_unloaded_is_free_and_refused() {
    let gpu = gpu(GpuOptions::default());
    let mut engine =
        load(&fixture("arch/llama/model-f32.gguf"), Some(gpu.clone()), EngineOptions::default()).expect("loads");
    let prompt = prompt();
    let plain = answer(&mut engine, &prompt, 4, &[]).expect("answers").0;
    let before = gpu.counts();
    let (one, two) = (adapter(&engine, "llama/plain"), adapter(&engine, "llama/patterns"));
    let loaded = gpu.counts();
    assert_eq!(loaded.gpu_bytes - before.gpu_bytes, one.bytes() + two.bytes(), "what is told is what is taken");
    let both = uses(&[(&one, 1.0), (&two, 1.0)]);
    answer(&mut engine, &prompt, 4, &both).expect("answers");
    let after_two = answer(&mut engine, &prompt, 4, &uses(&[(&two, 1.0)])).expect("answers").0;
    // While it is in use, and with handles left.
    engine.session.forget_adapter(&one);
    assert_eq!(one.bytes(), 0);
    let error = answer(&mut engine, &prompt, 4, &both).expect_err("one is gone");
    assert_eq!(error.kind(), ErrorKind::Unloaded);
    assert_eq!(answer(&mut engine, &prompt, 4, &uses(&[(&two, 1.0)])).expect("answers").0, after_two);
    engine.session.forget_adapter(&two);
    let after = gpu.counts();
    assert_eq!((after.gpu_bytes, after.live_objects), (before.gpu_bytes, before.live_objects), "all is free again");
    assert_eq!(answer(&mut engine, &prompt, 4, &[]).expect("answers").0, plain);
}

#[test]
fn sets_that_are_kept_are_few() {
    let gpu = gpu(GpuOptions::default());
    let mut engine =
        load(&fixture("arch/llama/model-f32.gguf"), Some(gpu.clone()), EngineOptions::default()).expect("loads");
    let prompt = prompt();
    let names = ["llama/plain", "llama/patterns", "llama/plain.gguf"];
    let [a, b, c] = names.map(|name| adapter(&engine, name));
    // Each order is a set: fifteen of one to three adapters.
    let mut orders = Vec::new();
    for x in [&a, &b, &c] {
        orders.push(vec![(x, 1.0)]);
        for y in [&a, &b, &c].into_iter().filter(|y| !std::rc::Rc::ptr_eq(x, y)) {
            orders.push(vec![(x, 1.0), (y, 1.0)]);
            for z in [&a, &b, &c].into_iter().filter(|z| ![x, y].iter().any(|w| std::rc::Rc::ptr_eq(w, z))) {
                orders.push(vec![(x, 1.0), (y, 1.0), (z, 1.0)]);
            }
        }
    }
    assert_eq!(orders.len(), 15);
    let mut live = || {
        let counts = orders.iter().map(|order| {
            logits(&mut engine, &prompt, &uses(order));
            gpu.counts().live_objects
        });
        counts.max().expect("sets")
    };
    let (first, second) = (live(), live());
    assert_eq!(first, second, "sets of long ago go");
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let path = fixture("arch/llama/model-f32.gguf");
    let mut engine = load(&path, None, EngineOptions::default()).expect("loads");
    let other = load(&path, None, EngineOptions::default()).expect("loads");
    let one = adapter(&engine, "llama/plain");
    let foreign = adapter(&other, "llama/plain");
    let prompt = prompt();
    let plain = answer(&mut engine, &prompt, 4, &[]).expect("answers").0;
    let nine: Vec<_> = (0..9).map(|_| (&one, 1.0)).collect();
    for (label, set) in [
        ("twice", uses(&[(&one, 1.0), (&one, 1.0)])),
        ("no number", uses(&[(&one, f32::NAN)])),
        ("endless", uses(&[(&one, f32::INFINITY)])),
        ("of another model", uses(&[(&foreign, 1.0)])),
        ("too many", uses(&nine)),
    ] {
        let error = answer(&mut engine, &prompt, 4, &set).expect_err(label);
        assert_eq!(
            (error.kind(), error.data()["argument"].as_str()),
            (ErrorKind::BadArgument, Some("adapters")),
            "{label}"
        );
        assert_eq!(answer(&mut engine, &prompt, 4, &[]).expect("answers").0, plain);
    }
}

#[test]
fn a_cancelled_load_leaves_nothing() {
    let gpu = gpu(GpuOptions::default());
    let engine =
        load(&fixture("arch/llama/model-f32.gguf"), Some(gpu.clone()), EngineOptions::default()).expect("loads");
    let before = gpu.counts();
    let cancel = Cancel::new();
    cancel.cancel();
    let files = vec![fixture("adapters/llama/plain.gguf")];
    let error = load_files(&engine, files, &[], &cancel).err().expect("is cancelled");
    assert_eq!(error.kind(), ErrorKind::Aborted);
    assert_eq!(gpu.counts().gpu_bytes, before.gpu_bytes);
}
