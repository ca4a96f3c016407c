//! Architectures against logits that Hugging Face transformers computed: on the references and on lavapipe.

mod common;

use common::{argmax, fixture, floats, gpu, ids, json, load, max_difference};
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item};
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::weights::Cancel;

/// Largest absolute error of a logit of the tiny models, in f32 (the goldens' own noise is up to 5e-5).
const TOLERANCE: f32 = 1e-4;

/// Tiny checkpoints with a GGUF file.
const TINY: [(&str, &str); 4] = [
    ("llama", "model-f32.gguf"),
    ("llama3", "model-f32.gguf"),
    ("llama_bf16", "model-bf16.gguf"),
    ("mistral", "model-f32.gguf"),
];

fn greedy(engine: &mut Engine, prompt: &[u32], n: usize) -> Vec<u32> {
    let sampler = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let options = GenerateOptions { sampler, max_tokens: Some(n), ignore_eos: true, ..GenerateOptions::default() };
    let mut generation = Generation::new(&engine.text, engine.session.capacity(), &Input::Ids(prompt.to_vec()), options).expect("starts");
    let mut out = Vec::new();
    let cancel = Cancel::new();
    let Engine { text, session, .. } = engine;
    while let Some(item) = pollster::block_on(generation.next(text, session, &cancel)).expect("goes on") {
        if let Item::Token { id, .. } = item {
            out.push(id);
        }
    }
    out
}

fn check(name: &str, engine: &mut Engine) {
    let golden = json(&format!("arch/{name}/golden.json"));
    for prompt in golden["prompts"].as_array().expect("prompts") {
        let prompt_ids = ids(&prompt["ids"]);
        let (mut last, mut top1) = (Vec::new(), Vec::new());
        let visit = |_: usize, logits: &[f32]| {
            top1.push(argmax(logits) as u32);
            last = logits.to_vec();
        };
        pollster::block_on(engine.session.all_logits(&prompt_ids, visit)).expect("runs");
        let error = max_difference(&last, &floats(&prompt["last_logits"]));
        assert!(error < TOLERANCE, "{name}: {} tokens: logits are off by {error}", prompt_ids.len());
        let margins = floats(&prompt["top1_margin"]);
        for (i, (got, wanted)) in top1.iter().zip(ids(&prompt["top1"])).enumerate() {
            assert!(*got == wanted || margins[i] < 2.0 * TOLERANCE, "{name}: top-1 at {i} is {got}, not {wanted}");
        }
    }
    let prompt = ids(&golden["greedy"]["prompt"]);
    assert_eq!(greedy(engine, &prompt, 16), ids(&golden["greedy"]["ids"]), "{name}: greedy");
}

#[test]
fn tiny_models_on_the_references() {
    for (name, file) in TINY {
        let path = fixture(&format!("arch/{name}/{file}"));
        let mut engine = load(&path, None, EngineOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(name, &mut engine);
    }
}

#[test]
fn tiny_models_on_the_gpu() {
    let plain = GpuOptions { no_subgroups: true, ..GpuOptions::default() };
    // A binding of 4 KiB splits every matrix into parts.
    let split = GpuOptions { max_binding_bytes: Some(4096), ..GpuOptions::default() };
    for options in [GpuOptions::default(), plain, split] {
        for (name, file) in TINY {
            let path = fixture(&format!("arch/{name}/{file}"));
            let gpu = gpu(options);
            let mut engine =
                load(&path, Some(gpu), EngineOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
            check(name, &mut engine);
        }
    }
}
