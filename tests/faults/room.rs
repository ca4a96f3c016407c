//! Buffer n finds no room, for every n: of a load (weights, caches, values of a step, tables, what is read back, what kernels are
//! chosen with), of an adapter's, and of the first answer with it. That is a typed error, and frees all that was made.
use std::rc::Rc;

use super::on;
use crate::common::{self, fixture, load, load_tuned};
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::session::AdapterUse;
use doran::tune::{Kernels, Tuning};
use doran::weights::file::FileSource;
use doran::weights::{Cancel, LoadOptions, MemoryStore, ModelFiles};
use doran::{ErrorKind, Result};
use pollster::block_on;

/// Denies each buffer of what `run` makes in turn; gives how many there are.
fn each_denied(what: &str, gpu: &Gpu, mut run: impl FnMut() -> Result<()>) -> u64 {
    let before = on(gpu);
    for n in 1.. {
        gpu.deny_allocation(n);
        let result = run();
        if gpu.forget_allocation() {
            result.unwrap_or_else(|error| panic!("{what}, with room: {error}"));
            return n - 1;
        }
        let error = result.err().unwrap_or_else(|| panic!("{what}, buffer {n}: nothing was noticed"));
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{what}, buffer {n}: {error}");
        assert_eq!(on(gpu), before, "{what}, buffer {n}: all is freed");
        assert_eq!(gpu.check(), Ok(()), "{what}, buffer {n}: nothing is told twice");
    }
    unreachable!("loads end")
}

/// A load of a decoder, of one with states, of an encoder, and of both; with the choice of kernels, as GPUs have it as well.
#[test]
fn a_load_without_room_for_a_buffer() {
    let software = common::own_gpu(GpuOptions::default());
    let hardware = common::own_gpu(GpuOptions { as_hardware: true, ..GpuOptions::default() });
    let rows = Tuning { kernels: Kernels::Rows, workgroup: 16, norm: Kernels::Rows, ..Tuning::default() };
    for (name, gpu, kernels) in [
        ("llama", &software, None),
        ("llama", &hardware, Some(Tuning::default())),
        ("lfm2", &software, Some(rows.clone())),
        ("bert", &software, Some(rows.clone())),
        ("t5", &software, Some(rows)),
    ] {
        let what = format!("{name} with {:?}", kernels.as_ref().map(|tuning| tuning.kernels));
        let options = || EngineOptions { context: Some(32), ..EngineOptions::default() };
        let path = fixture(&format!("arch/{name}"));
        let run = || load_tuned(&path, Some(Rc::clone(gpu)), options(), kernels.clone()).map(drop);
        let tried = each_denied(&what, gpu, run);
        println!("{what}: {tried} buffers");
        assert!(tried > 40, "{what}: {tried}");
        assert_eq!(on(gpu), (0, 0));
    }
}

/// An adapter's matrices, and the recordings of the first answer with it. The model goes on without.
#[test]
fn an_adapter_without_room_for_a_buffer() {
    let gpu = common::own_gpu(GpuOptions::default());
    let options = EngineOptions { context: Some(32), kernels: Some(Kernels::Rows), ..EngineOptions::default() };
    let mut engine = load(&fixture("arch/llama/model-f32.gguf"), Some(Rc::clone(&gpu)), options).expect("loads");
    let wanted = logits(&mut engine, &[]).expect("runs");
    let load_adapter = |engine: &Engine| {
        block_on(async {
            let (source, store) = (FileSource::new([fixture("adapters/llama/plain.gguf")]), MemoryStore::new(None));
            let cancel = Cancel::new();
            let files =
                ModelFiles::open(Some(source), store, "adapter", LoadOptions::default(), &|_| {}, &cancel).await?;
            Ok(engine.load_adapter(files, &[], &|_| {}, &cancel).await?.0)
        })
    };
    let without = on(&gpu);
    let of_load = each_denied("an adapter", &gpu, || load_adapter(&engine).map(drop));
    let adapter = load_adapter(&engine).expect("loads");
    let uses = [AdapterUse { adapter, scale: 1.0 }];
    let before = on(&gpu);
    assert!(before.0 > without.0);
    let of_use = each_denied("an answer with an adapter", &gpu, || {
        let adapted = logits(&mut engine, &uses)?;
        assert_ne!(adapted, wanted);
        Ok(())
    });
    println!("{of_load} buffers of an adapter, {of_use} of its first use");
    assert!(of_load > 5 && of_use >= 4, "{of_load}, {of_use}");
    let AdapterUse { adapter, .. } = &uses[0];
    assert!(on(&gpu).0 > before.0, "it is in use");
    engine.session.forget_adapter(adapter);
    assert_eq!(on(&gpu), without, "it is unloaded, and what its use made");
    assert_eq!(logits(&mut engine, &[]).expect("runs"), wanted);
}

/// The logits after a short text, with these adapters.
fn logits(engine: &mut Engine, adapters: &[AdapterUse]) -> Result<Vec<f32>> {
    let mut last = Vec::new();
    block_on(async {
        engine.session.use_adapters(adapters).await?;
        engine.session.all_logits(&[3, 7, 11], &Cancel::new(), |_, logits| last = logits.to_vec()).await
    })?;
    Ok(last)
}
