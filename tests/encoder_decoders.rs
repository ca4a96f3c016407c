//! Models that read a text and answer it, against what Hugging Face transformers computed: on the references, and on lavapipe by
//! each family of kernels.

#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::path::PathBuf;

use common::{argmax, fixture, floats, gpu, ids, json, load, max_difference};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item, Usage};
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::tune::Kernels;
use doran::weights::Cancel;

/// Largest absolute error of a logit, in f32 (the goldens' own noise is up to 5e-5).
const TOLERANCE: f32 = 1e-4;
/// Room for the longest golden of 40 tokens.
const CONTEXT: Option<u32> = Some(64);

/// The folder, and the GGUF file beside it if there is one.
const ANSWERERS: &[(&str, &[&str])] = &[("t5", &["", "model-f32.gguf"]), ("t5_v1", &[""]), ("blenderbot", &[""])];

fn files() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let path = |name: &str, file: &str| fixture(&format!("arch/{name}/{file}"));
    ANSWERERS.iter().flat_map(move |(name, files)| files.iter().map(move |file| (*name, path(name, file))))
}

fn greedy_options(n: usize) -> GenerateOptions {
    let sampler = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    GenerateOptions { sampler, max_tokens: Some(n), ignore_eos: true, ..GenerateOptions::default() }
}

fn answer(engine: &mut Engine, input: &Input, options: GenerateOptions) -> doran::Result<(Vec<u32>, String, Usage)> {
    let Engine { text, session, .. } = engine;
    let mut generation = Generation::new(text, session.capacity(), input, options)?;
    let (mut out, mut said) = (Vec::new(), String::new());
    let cancel = Cancel::new();
    loop {
        match pollster::block_on(generation.next(text, session, &cancel))?.expect("an end") {
            Item::Token { id, text, .. } => {
                out.push(id);
                said.push_str(&text);
            }
            Item::Prefill { .. } => {}
            Item::End { text, usage, .. } => return Ok((out, said + &text, usage)),
        }
    }
}

fn check(name: &str, engine: &mut Engine) {
    let golden = json(&format!("arch/{name}/golden.json"));
    for prompt in golden["prompts"].as_array().expect("prompts") {
        let (mut first, mut last, mut top1) = (Vec::new(), Vec::new(), Vec::new());
        let visit = |i: usize, logits: &[f32]| {
            if i == 0 {
                first = logits.to_vec();
            }
            top1.push(argmax(logits) as u32);
            last = logits.to_vec();
        };
        let (source, given) = (ids(&prompt["ids"]), ids(&prompt["decoder_ids"]));
        pollster::block_on(engine.session.answer_logits(&source, &given, &Cancel::new(), visit)).expect("runs");
        let of_first = max_difference(&first, &floats(&prompt["first_logits"]));
        let of_last = max_difference(&last, &floats(&prompt["last_logits"]));
        println!("{name}: {} tokens: logits are off by {of_first:e} and {of_last:e}", source.len());
        assert!(of_first < TOLERANCE && of_last < TOLERANCE, "{name}: off by {of_first} and {of_last}");
        let margins = floats(&prompt["top1_margin"]);
        for (i, (got, wanted)) in top1.iter().zip(ids(&prompt["top1"])).enumerate() {
            assert!(*got == wanted || margins[i] < 2.0 * TOLERANCE, "{name}: top-1 at {i} is {got}, not {wanted}");
        }
    }
    let prompt = ids(&golden["greedy"]["prompt"]);
    let (got, _, usage) = answer(engine, &Input::Ids(prompt.clone()), greedy_options(16)).expect("answers");
    assert_eq!(got, ids(&golden["greedy"]["ids"]), "{name}: greedy");
    assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (7, 16, 23));
}

#[test]
fn answers_on_the_references() {
    for (name, path) in files() {
        let options = EngineOptions { context: CONTEXT, ..EngineOptions::default() };
        let mut engine = load(&path, None, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(engine.info.kind, "encoder-decoder");
        check(name, &mut engine);
    }
}

#[test]
fn answers_on_the_gpu() {
    let plain = GpuOptions { no_subgroups: true, ..GpuOptions::default() };
    let split = GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() };
    let any = GpuOptions::default();
    let kernels = [(any, None), (plain, Some(Kernels::Workgroup)), (any, Some(Kernels::Subgroup)), (split, None)];
    for (gpu_options, kernels) in kernels {
        for (name, path) in files() {
            let options = EngineOptions { context: CONTEXT, kernels, ..EngineOptions::default() };
            let mut engine = load(&path, Some(gpu(gpu_options)), options)
                .unwrap_or_else(|error| panic!("{} by {kernels:?}: {error}", path.display()));
            check(name, &mut engine);
        }
    }
}
