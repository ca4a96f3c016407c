//! Operation n of other calls than loads of models fails or is aborted, for every n: of an answer, of embeddings, of an adapter's load
//! and first use, and of what looks after the store. After each the model is as it was, and so is the store.
use std::cell::RefCell;
use std::rc::Rc;

use super::{Fault, MODEL, Place, World, inject_on, kind_of, on};
use crate::common::{self, fixture, load};
use crate::weights::faulty::{FaultyStore, random_file};
use doran::Result;
use doran::backend::Adapter;
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::session::AdapterUse;
use doran::tune::Kernels;
use doran::weights::manifest::{ChunkEntry, hex};
use doran::weights::{
    Access, Cancel, ChunkStore, LoadOptions, Manifest, ModelFiles, check_model, delete_model, evict_oldest,
};
use pollster::block_on;
use sha2::{Digest, Sha256};

fn engine(name: &str, gpu: &Rc<Gpu>) -> Engine {
    let options = EngineOptions {
        context: Some(128),
        kernels: Some(Kernels::Rows),
        run_ahead: Some(2),
        ..EngineOptions::default()
    };
    load(&fixture(name), Some(Rc::clone(gpu)), options).expect("loads")
}

/// A drawn answer to a prompt of two steps.
fn answer(engine: &mut Engine, adapters: &[AdapterUse], cancel: &Cancel) -> Result<Vec<u32>> {
    let prompt: Vec<u32> = (0..70).map(|i| 3 + i * 7 % 200).collect();
    let sampler = SamplerOptions { temperature: 1.0, seed: 5, ..SamplerOptions::default() };
    let (max_tokens, adapters) = (Some(6), adapters.to_vec());
    let options = GenerateOptions { sampler, max_tokens, adapters, ignore_eos: true, ..GenerateOptions::default() };
    let Engine { text, session, .. } = engine;
    let mut generation = Generation::new(text, session.capacity(), &Input::Ids(prompt), options)?;
    let mut ids = Vec::new();
    while let Some(item) = block_on(generation.next(text, session, cancel))? {
        if let Item::Token { id, .. } = item {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Brings `fault` about at each operation of the device in what `run` does with an engine; gives how many there are. Afterwards the
/// device holds what it held, and `run` gives what it gave before.
fn each_of_gpu<R: PartialEq + std::fmt::Debug>(
    what: &str,
    gpu: &Gpu,
    fault: Fault,
    mut before: impl FnMut(),
    run: impl Fn(&Cancel) -> Result<R>,
) -> u64 {
    before();
    let kept = on(gpu);
    let wanted = run(&Cancel::new()).expect("runs");
    for n in 1.. {
        let what = format!("{what}, {fault:?} at {n}");
        before();
        assert_eq!(on(gpu), kept, "{what}");
        let cancel = Cancel::new();
        let happened = inject_on(gpu, fault, n, &cancel);
        let result = run(&cancel);
        gpu.forget_operation();
        match result {
            Ok(got) => {
                assert!(!happened.get() || fault == Fault::Aborts, "{what}: was not noticed");
                assert_eq!(got, wanted, "{what}");
                if !happened.get() {
                    return n - 1;
                }
            }
            Err(error) => assert_eq!(error.kind(), kind_of(Place::Gpu, fault), "{what}: {error}"),
        }
        assert_eq!(run(&Cancel::new()).unwrap_or_else(|error| panic!("{what}, then: {error}")), wanted, "{what}, then");
    }
    unreachable!("calls end")
}

#[test]
fn operation_n_of_an_answer_fails_or_is_aborted() {
    let gpu = common::own_gpu(GpuOptions::default());
    let engine = RefCell::new(engine("arch/llama/model-f32.gguf", &gpu));
    for fault in [Fault::Fails, Fault::Aborts] {
        let reset = || engine.borrow_mut().session.reset();
        let n = each_of_gpu("an answer", &gpu, fault, reset, |cancel| answer(&mut engine.borrow_mut(), &[], cancel));
        println!("{n} operations of an answer");
        assert!(n > 15, "{n}");
    }
}

#[test]
fn operation_n_of_embeddings_fails_or_is_aborted() {
    let gpu = common::own_gpu(GpuOptions::default());
    let engine = RefCell::new(engine("arch/bert/model-f32.gguf", &gpu));
    for fault in [Fault::Fails, Fault::Aborts] {
        let embed = |cancel: &Cancel| {
            let texts = [vec![101, 7, 8, 102], vec![101, 9, 10, 11, 102]];
            let mut rows = Vec::new();
            for ids in &texts {
                let ids: Vec<u32> = ids.iter().map(|id| id % 90).collect();
                rows.push(block_on(engine.borrow_mut().session.embed(&ids, cancel))?.mean);
            }
            Ok(rows)
        };
        let n = each_of_gpu("embeddings", &gpu, fault, || {}, embed);
        println!("{n} operations of two texts");
        assert!(n >= 6, "{n}");
    }
}

/// The network, the store and the device, each at every operation: nothing is left of an adapter that did not load.
#[test]
fn operation_n_of_an_adapters_load_fails_or_is_aborted() {
    let gpu = common::own_gpu(GpuOptions::default());
    let mut engine = engine("arch/llama/model-f32.gguf", &gpu);
    let file = std::fs::read(fixture("adapters/llama/plain.gguf")).expect("a fixture");
    let chunk_bytes = (file.len() as u64 / 10).next_multiple_of(1024);
    let load = |engine: &Engine, world: &World, cancel: &Cancel| -> Result<Rc<Adapter>> {
        block_on(async {
            let options = LoadOptions { chunk_bytes, ..LoadOptions::default() };
            let (source, store) = (Some(world.server.clone()), world.store.clone());
            let files = ModelFiles::open(source, store, MODEL, options, &|_| {}, cancel).await?;
            Ok(engine.load_adapter(files, &[], &|_| {}, cancel).await?.0)
        })
    };
    let plain = answer(&mut engine, &[], &Cancel::new()).expect("answers");
    let mut tried = Vec::new();
    for (place, fault) in [
        (Place::Network, Fault::Fails),
        (Place::Network, Fault::Aborts),
        (Place::Store, Fault::Fails),
        (Place::StoreLate, Fault::Fails),
        (Place::Store, Fault::Aborts),
        (Place::Gpu, Fault::Fails),
        (Place::Gpu, Fault::Aborts),
    ] {
        for n in 1.. {
            let what = format!("{place:?} {fault:?} at {n}");
            let world = World::of(Rc::clone(&gpu), file.clone());
            world.server.script().piece_bytes.set(Some(1500));
            let cancel = Cancel::new();
            let injection = world.inject(place, fault, n, &cancel);
            let result = load(&engine, &world, &cancel);
            let came = world.came(&injection);
            match result {
                Ok(_) if !came => {
                    let manifest = block_on(world.store.inner.manifest(MODEL)).expect("memory").expect("is stored");
                    assert!(manifest.complete && manifest.chunks().count() >= 8, "{what}: {manifest:?}");
                    tried.push((place, fault, n - 1));
                    break;
                }
                Ok(adapter) => {
                    assert_eq!(fault, Fault::Aborts, "{what}: was not noticed");
                    drop(adapter);
                }
                Err(error) => assert_eq!(error.kind(), kind_of(place, fault), "{what}: {error}"),
            }
            world.check(&what);
            let adapter = load(&engine, &world, &Cancel::new()).unwrap_or_else(|error| panic!("{what}, then: {error}"));
            drop(adapter);
            world.check(&what);
        }
    }
    println!("{tried:?}");
    assert!(tried.iter().all(|(_, _, n)| *n > 4), "{tried:?}");
    // Its first use makes recordings; each time it is another.
    let loads = World::of(Rc::clone(&gpu), file);
    let (shared, adapter) = (RefCell::new(engine), RefCell::new(None::<Rc<Adapter>>));
    for fault in [Fault::Fails, Fault::Aborts] {
        let exchange = || {
            let mut engine = shared.borrow_mut();
            if let Some(adapter) = adapter.take() {
                engine.session.forget_adapter(&adapter);
            }
            adapter.replace(Some(load(&engine, &loads, &Cancel::new()).expect("loads")));
        };
        let run = |cancel: &Cancel| {
            let adapter = adapter.borrow().clone().expect("one is loaded");
            let adapted = answer(&mut shared.borrow_mut(), &[AdapterUse { adapter, scale: 4.0 }], cancel)?;
            assert_ne!(adapted, plain);
            Ok(adapted)
        };
        let n = each_of_gpu("an adapter's first use", &gpu, fault, exchange, run);
        println!("{n} operations of an adapter's first use");
        assert!(n > 20, "{n}");
    }
    assert_eq!(answer(&mut shared.borrow_mut(), &[], &Cancel::new()).expect("answers"), plain);
}

/// A store of three models of nine chunks each, of which one has a damaged chunk.
fn stored() -> FaultyStore {
    let store = FaultyStore::default();
    for (model, used_ms) in [("old", 1.0), (MODEL, 2.0), ("new", 3.0)] {
        let mut manifest = Manifest::new(model, ["u".to_owned()], used_ms);
        manifest.last_used_ms = used_ms;
        manifest.complete = true;
        let file = random_file(9 * 512, used_ms as u64);
        let chunks: Vec<_> = file.chunks(512).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let sha256 = Some(hex(&Sha256::digest(chunk).into()));
            let (start, len) = (512 * i as u64, 512);
            manifest.files[0].chunks.push(ChunkEntry { start, len, sha256, xxh64: None, stored: true });
        }
        for (i, chunk) in chunks.iter().enumerate() {
            block_on(store.inner.put_chunk(&manifest, 0, i, &chunk.to_vec().into())).expect("memory");
        }
        block_on(store.inner.put_manifest(&manifest)).expect("memory");
    }
    store.inner.damage(MODEL, 0, 4, Some(vec![0; 512].into()));
    store
}

/// What a store says of itself: its models, how many chunks they say are stored, whether they say complete. Every chunk that is said
/// to be stored is there.
fn said(store: &FaultyStore, what: &str) -> Vec<(String, usize, bool)> {
    let mut manifests = block_on(store.inner.list()).expect("memory");
    manifests.sort_by(|a, b| a.model.cmp(&b.model));
    let mut said = Vec::new();
    for manifest in manifests {
        let stored: Vec<_> = manifest.chunks().filter(|(_, _, chunk)| chunk.stored).collect();
        for (file, index, _) in &stored {
            let chunk = block_on(store.inner.chunk(&manifest.model, *file, *index)).expect("memory");
            assert!(chunk.is_some(), "{what}: chunk {index} of {} is claimed and not there", manifest.model);
        }
        assert!(!manifest.complete || stored.len() == manifest.chunks().count(), "{what}: not complete");
        said.push((manifest.model.clone(), stored.len(), manifest.complete));
    }
    said
}

type Call = fn(&FaultyStore, &Cancel) -> Result<()>;

/// `verify`, `delete` and `evict`: at every operation of the store. What failed did all of it or nothing, and the next attempt works;
/// no other model is touched.
#[test]
fn operation_n_of_looking_after_the_store_fails_or_is_aborted() {
    let calls: [(&str, Call); 3] = [
        ("verify", |store, cancel| block_on(check_model(store, MODEL, &|_| (), cancel)).map(drop)),
        ("delete", |store, cancel| block_on(delete_model(store, MODEL, cancel))),
        ("evict", |store, cancel| block_on(evict_oldest(store, "new", cancel)).map(drop)),
    ];
    let before = said(&stored(), "before");
    for (name, call) in calls {
        let store = stored();
        call(&store, &Cancel::new()).expect("works");
        let after = said(&store, name);
        assert_ne!(after, before);
        for place in [Place::Store, Place::StoreLate] {
            for fault in [Fault::Fails, Fault::Aborts] {
                for n in 1.. {
                    let what = format!("{name}: {place:?} {fault:?} at {n}");
                    let (store, cancel) = (stored(), Cancel::new());
                    store.fail_at.set(n);
                    store.fail_late.set(place == Place::StoreLate);
                    store.cancel.replace((fault == Fault::Aborts).then(|| cancel.clone()));
                    let result = call(&store, &cancel);
                    let came = store.operations.get() >= n;
                    store.fail_at.set(0);
                    let now = said(&store, &what);
                    assert!(now == before || now == after, "{what}: {now:?}");
                    match result {
                        Ok(()) => {
                            assert!(!came || fault == Fault::Aborts, "{what}: was not noticed");
                            assert_eq!(now, after, "{what}");
                            if !came {
                                assert!(n > 2, "{what}");
                                break;
                            }
                        }
                        Err(error) => assert_eq!(error.kind(), kind_of(place, fault), "{what}: {error}"),
                    }
                    for model in ["old", MODEL, "new"] {
                        assert!(!block_on(store.inner.is_locked(model, Access::Alone)), "{what}: {model} stays locked");
                    }
                    if now == before {
                        call(&store, &Cancel::new()).unwrap_or_else(|error| panic!("{what}, then: {error}"));
                        assert_eq!(said(&store, &what), after, "{what}, then");
                    }
                }
            }
        }
    }
}
