//! LoRA adapters against logits that PEFT computed, on the references and on lavapipe: one, others, stacks, scales, and back.

#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::path::PathBuf;
use std::rc::Rc;

use common::{argmax, fixture, floats, gpu, ids, json, load, max_difference};
use doran::adapter::AdapterInfo;
use doran::backend::Adapter;
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item};
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::session::AdapterUse;
use doran::tune::Kernels;
use doran::weights::file::FileSource;
use doran::weights::{Cancel, LoadOptions, MemoryStore, ModelFiles};
use doran::{ErrorKind, Result};

/// Largest absolute error of a logit, in f32: that of the tiny models themselves (`tests/models.rs`), for logits up to 7 away.
const TOLERANCE: f32 = 2e-4;

/// Checkpoints with adapters, and the files of each that the model is loaded from.
const MODELS: [(&str, [&str; 2]); 3] =
    [("llama", ["", "model-f32.gguf"]), ("phi3", ["", "model-f32.gguf"]), ("gpt2", ["", "model-f32.gguf"])];

fn load_adapter(engine: &Engine, path: PathBuf) -> Result<(Rc<Adapter>, AdapterInfo)> {
    let names = ["adapter_config.json", "adapter_model.safetensors"];
    let (files, paths) = match path.is_dir() {
        true => (names.map(|name| path.join(name)).to_vec(), names.map(str::to_owned).to_vec()),
        false => (vec![path], Vec::new()),
    };
    load_files(engine, files, &paths)
}

fn load_files(engine: &Engine, files: Vec<PathBuf>, paths: &[String]) -> Result<(Rc<Adapter>, AdapterInfo)> {
    pollster::block_on(async {
        let (options, cancel) = (LoadOptions { chunk_bytes: 4096, ..LoadOptions::default() }, Cancel::new());
        let store = MemoryStore::new(None);
        let files = ModelFiles::open(Some(FileSource::new(files)), store, "adapter", options, &|_| {}, &cancel).await?;
        engine.load_adapter(files, paths, &|_| {}, &cancel).await
    })
}

fn adapter(engine: &Engine, name: &str) -> Rc<Adapter> {
    load_adapter(engine, fixture(&format!("adapters/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}")).0
}

fn uses(adapters: &[(&Rc<Adapter>, f32)]) -> Vec<AdapterUse> {
    adapters.iter().map(|(adapter, scale)| AdapterUse { adapter: Rc::clone(adapter), scale: *scale }).collect()
}

/// The last token's logits, and the best id after each token.
fn logits(engine: &mut Engine, prompt: &[u32], adapters: &[AdapterUse]) -> (Vec<f32>, Vec<u32>) {
    let (mut last, mut top1) = (Vec::new(), Vec::new());
    pollster::block_on(async {
        engine.session.use_adapters(adapters).await.expect("adapters");
        let visit = |_: usize, logits: &[f32]| {
            top1.push(argmax(logits) as u32);
            last = logits.to_vec();
        };
        engine.session.all_logits(prompt, &Cancel::new(), visit).await.expect("runs");
    });
    (last, top1)
}

/// A greedy answer, and how much of the prompt was cached.
fn answer(engine: &mut Engine, prompt: &[u32], n: usize, adapters: &[AdapterUse]) -> Result<(Vec<u32>, usize)> {
    let sampler = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let (max_tokens, adapters) = (Some(n), adapters.to_vec());
    let options = GenerateOptions { sampler, max_tokens, ignore_eos: true, adapters, ..GenerateOptions::default() };
    let Engine { text, session, .. } = engine;
    let mut generation = Generation::new(text, session.capacity(), &Input::Ids(prompt.to_vec()), options)?;
    let (mut out, mut cached) = (Vec::new(), 0);
    while let Some(item) = pollster::block_on(generation.next(text, session, &Cancel::new()))? {
        match item {
            Item::Token { id, .. } => out.push(id),
            Item::End { usage, .. } => cached = usage.cached_tokens,
            Item::Prefill { .. } => {}
        }
    }
    Ok((out, cached))
}

/// Every run of a golden, in its order, with the adapter folders or with `plain.gguf` in the place of `plain`.
fn check(label: &str, model: &str, engine: &mut Engine, gguf: bool) {
    let golden = json(&format!("adapters/{model}/golden.json"));
    let prompt = ids(&golden["ids"]);
    let runs = golden["runs"].as_array().expect("runs");
    let names: Vec<&String> =
        runs.iter().flat_map(|run| run["adapters"].as_object().expect("adapters").keys()).collect();
    let mut loaded: Vec<(&str, Rc<Adapter>)> = Vec::new();
    for name in names {
        if !loaded.iter().any(|(other, _)| other == name) {
            let file = if gguf && name == "plain" { "plain.gguf" } else { name };
            loaded.push((name, adapter(engine, &format!("{model}/{file}"))));
        }
    }
    for run in runs {
        let wanted = run["adapters"].as_object().expect("adapters");
        let of = |name: &str| &loaded.iter().find(|(other, _)| *other == name).expect("is loaded").1;
        let adapters: Vec<_> =
            wanted.iter().map(|(name, scale)| (of(name), scale.as_f64().expect("a scale") as f32)).collect();
        let adapters = uses(&adapters);
        let (last, top1) = logits(engine, &prompt, &adapters);
        let error = max_difference(&last, &floats(&run["last_logits"]));
        println!("{label}: {wanted:?}: logits are off by {error:e}");
        assert!(error < TOLERANCE, "{label}: {wanted:?}: logits are off by {error}");
        let margins = floats(&run["top1_margin"]);
        for (i, (got, wanted)) in top1.iter().zip(ids(&run["top1"])).enumerate() {
            assert!(*got == wanted || margins[i] < 2.0 * TOLERANCE, "{label}: top-1 at {i} is {got}, not {wanted}");
        }
        let (tokens, _) = answer(engine, &prompt[..8], 8, &adapters).expect("answers");
        assert_eq!(tokens, ids(&run["greedy"]), "{label}: {wanted:?}: greedy");
    }
}

/// Every model from both formats, with adapters in both where there are both.
fn check_all(open: impl Fn() -> (Option<Rc<doran::gpu::Gpu>>, EngineOptions)) {
    for (model, files) in MODELS {
        for file in files {
            for gguf in [false, true].into_iter().take(if model == "llama" { 2 } else { 1 }) {
                let (gpu, options) = open();
                let path = fixture(&format!("arch/{model}/{file}"));
                let mut engine =
                    load(&path, gpu, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                check(
                    &format!("{model}/{file}, adapter in {}", if gguf { "GGUF" } else { "PEFT" }),
                    model,
                    &mut engine,
                    gguf,
                );
            }
        }
    }
}

#[test]
fn adapters_on_the_references() {
    check_all(|| (None, EngineOptions::default()));
}

#[test]
fn adapters_on_the_gpu() {
    let plain = GpuOptions { no_subgroups: true, ..GpuOptions::default() };
    let split = GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() };
    let hardware = GpuOptions { as_hardware: true, ..GpuOptions::default() };
    for (options, kernels) in
        [(GpuOptions::default(), None), (plain, Some(Kernels::Workgroup)), (split, None), (hardware, None)]
    {
        check_all(|| (Some(gpu(options)), EngineOptions { context: Some(256), kernels, ..EngineOptions::default() }));
    }
}
