//! Architectures against logits that Hugging Face transformers computed: on the references and on lavapipe.

use std::path::PathBuf;
use std::rc::Rc;

use crate::common::{self, argmax, fixture, floats, gpu, ids, json, load, max_difference, smollm2};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item};
use doran::gpu::device::GpuOptions;
use doran::ops::KvFormat;
use doran::ops::elementwise::Function;
use doran::quant::Format;
use doran::sampler::{SamplerOptions, sample};
use doran::session::{Next, Session};
use doran::tune::{Kernels, Role, Tuning, Wanted, choose, tune};
use doran::weights::Cancel;

/// Largest absolute error of a logit of the tiny models, in f32 (the goldens' own noise is up to 5e-5).
const TOLERANCE: f32 = 1e-4;

/// Tiny checkpoints, and the GGUF file beside the Hugging Face folder if there is one.
const TINY: &[(&str, Option<&str>)] = &[
    ("bloom", None),
    ("bloom_parts", None),
    ("cohere", F32),
    ("cohere2", F32),
    ("exaone", F32),
    ("exaone4", None),
    ("exaone4_64l", None),
    ("falcon", F32),
    ("falcon_alibi", None),
    ("gemma", F32),
    ("gemma2", F32),
    ("gemma3", F32),
    ("gemma3_caps", None),
    ("glm4", F32),
    ("gpt2", F32),
    ("gpt_neo", None),
    ("gpt_neox", F32),
    ("gpt_oss", F32),
    ("gptj", None),
    ("granite", F32),
    ("hyperclovax", None),
    ("hyperclovax_seed", None),
    ("lfm2", F32),
    ("llama", F32),
    ("llama3", F32),
    ("llama_bf16", Some("model-bf16.gguf")),
    ("mamba", None),
    ("mamba_relu", None),
    ("mistral", F32),
    ("mistral_swa", None),
    ("mixtral", F32),
    ("olmo", None),
    ("olmo2", F32),
    ("opt", None),
    ("phi", F32),
    ("phi3", F32),
    ("phi3_longrope", F32),
    ("qwen2", F32),
    ("qwen2_f16_sharded", Some("model-f16.gguf")),
    ("qwen2_moe", F32),
    ("qwen3", F32),
    ("qwen3_moe", F32),
    ("rwkv", None),
    ("smollm3", F32),
    ("solar", None),
    ("stablelm", F32),
    ("starcoder2", F32),
];
const F32: Option<&str> = Some("model-f32.gguf");

/// Every folder and file of the table: a label, and where it is.
fn tiny() -> impl Iterator<Item = (&'static str, PathBuf)> {
    TINY.iter().flat_map(|(name, file)| {
        let files = std::iter::once("").chain(*file);
        files.map(move |file| (*name, fixture(&format!("arch/{name}/{file}"))))
    })
}

fn greedy(engine: &mut Engine, prompt: &[u32], n: usize) -> Vec<u32> {
    answer(engine, prompt, n, &SamplerOptions { temperature: 0.0, ..SamplerOptions::default() }, false)
}

fn answer(engine: &mut Engine, prompt: &[u32], n: usize, sampler: &SamplerOptions, logprobs: bool) -> Vec<u32> {
    let sampler = sampler.clone();
    let max_tokens = Some(n);
    let options = GenerateOptions { sampler, max_tokens, ignore_eos: true, logprobs, ..GenerateOptions::default() };
    let mut generation =
        Generation::new(&engine.text, engine.session.capacity(), &Input::Ids(prompt.to_vec()), options)
            .expect("starts");
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
        check_logits(name, engine, &ids(&prompt["ids"]), prompt);
    }
    let prompt = ids(&golden["greedy"]["prompt"]);
    assert_eq!(greedy(engine, &prompt, 16), ids(&golden["greedy"]["ids"]), "{name}: greedy");
}

/// The last token's logits, and the best id after each token.
fn check_logits(name: &str, engine: &mut Engine, prompt_ids: &[u32], wanted: &serde_json::Value) {
    let (mut last, mut top1) = (Vec::new(), Vec::new());
    let visit = |_: usize, logits: &[f32]| {
        top1.push(argmax(logits) as u32);
        last = logits.to_vec();
    };
    pollster::block_on(engine.session.all_logits(prompt_ids, &Cancel::new(), visit)).expect("runs");
    let error = max_difference(&last, &floats(&wanted["last_logits"]));
    println!("{name}: {} tokens: logits are off by {error:e}", prompt_ids.len());
    assert!(error < TOLERANCE, "{name}: {} tokens: logits are off by {error}", prompt_ids.len());
    let margins = floats(&wanted["top1_margin"]);
    for (i, (got, wanted)) in top1.iter().zip(ids(&wanted["top1"])).enumerate() {
        assert!(*got == wanted || margins[i] < 2.0 * TOLERANCE, "{name}: top-1 at {i} is {got}, not {wanted}");
    }
}

#[test]
fn tiny_models_on_the_references() {
    for (name, path) in tiny() {
        let label = path.display();
        let mut engine = load(&path, None, EngineOptions::default()).unwrap_or_else(|error| panic!("{label}: {error}"));
        check(name, &mut engine);
    }
}

#[test]
fn tiny_models_on_the_gpu() {
    let plain = GpuOptions { no_subgroups: true, ..GpuOptions::default() };
    // A binding of 64 KiB splits the larger matrices into parts, and has room for a layer's cache.
    let split = GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() };
    // Left to themselves, CPU adapters take the kernels without cooperation; whole matrices of these are for the browser.
    let ways = [(plain, Some(Kernels::Workgroup)), (split, None)];
    // Of an architecture's two forms, the folder and the GGUF, each goes one way.
    for (i, (name, path)) in tiny().enumerate() {
        let (options, kernels) = ways[i % 2];
        let (label, gpu) = (path.display(), gpu(options));
        // Some do not say how long a text they take; the goldens are short.
        let engine_options = EngineOptions { context: Some(256), kernels, ..EngineOptions::default() };
        let mut engine = load(&path, Some(gpu), engine_options).unwrap_or_else(|error| panic!("{label}: {error}"));
        check(name, &mut engine);
    }
}

/// Models whose matrices all have one block format, the embedding too: on the references, and by each family of kernels.
#[test]
fn models_in_block_formats() {
    let golden = json("kquant_models/golden.json");
    for (file, entry) in golden["files"].as_object().expect("files") {
        let path = fixture(&format!("kquant_models/{file}"));
        let on_gpu = |kernels| (Some(gpu(GpuOptions::default())), kernels);
        let cases = [(None, None), on_gpu(None), on_gpu(Some(Kernels::Workgroup)), on_gpu(Some(Kernels::Subgroup))];
        for (gpu, kernels) in cases {
            let label =
                format!("{file} by {kernels:?} on {}", if gpu.is_some() { "the GPU" } else { "the references" });
            let options = EngineOptions { kernels, kv: Some(KvFormat::F32), ..EngineOptions::default() };
            let mut engine = load(&path, gpu, options).unwrap_or_else(|error| panic!("{label}: {error}"));
            for prompt in entry["prompts"].as_array().expect("prompts") {
                let prompt_ids = ids(&prompt["ids"]);
                check_logits(&label, &mut engine, &prompt_ids, &prompt["f32"]);
                // The same token by the kernels for one row.
                let drawn = greedy(&mut engine, &prompt_ids, 1)[0];
                let (best, margins) = (ids(&prompt["f32"]["top1"]), floats(&prompt["f32"]["top1_margin"]));
                let excused = margins.last().is_some_and(|margin| *margin < 2.0 * TOLERANCE);
                assert!(best.last() == Some(&drawn) || excused, "{label}: drew {drawn}");
            }
        }
    }
}

/// LongRoPE has other angles for texts of more than 24 tokens here, at all positions: an answer that grows past them goes on as
/// if it had been longer from the beginning, also where the GPU runs ahead.
#[test]
fn an_answer_that_becomes_long_is_that_of_a_long_text() {
    for gpu in [None, Some(gpu(GpuOptions::default()))] {
        let options = EngineOptions { run_ahead: Some(4), context: Some(256), ..EngineOptions::default() };
        let mut engine = load(&fixture("arch/phi3_longrope/"), gpu, options).expect("loads");
        let mut ids: Vec<u32> = (0..18).map(|i| i * 13 % 250).collect();
        let answer = greedy(&mut engine, &ids, 12);
        for token in answer {
            let mut best = 0;
            let visit = |_: usize, logits: &[f32]| best = argmax(logits) as u32;
            pollster::block_on(engine.session.all_logits(&ids, &Cancel::new(), visit)).expect("runs");
            assert_eq!(token, best, "after {} tokens", ids.len());
            ids.push(token);
        }
    }
}

/// The real model against the f32 reference: the twenty largest logits of each prompt, and greedy text until a margin is
/// within the tolerance.
#[test]
fn smollm2_on_the_gpu() {
    let golden = json("real/smollm2-135m-instruct-q4_1.json");
    // Kernels of GPUs, and half floats, are looked at with one prompt: here they take their time.
    let cases = [
        (KvFormat::F32, 1e-3, None, usize::MAX),
        (KvFormat::F16, 5e-2, None, 1),
        (KvFormat::F32, 1e-3, Some(Kernels::Workgroup), 1),
        (KvFormat::F32, 1e-3, Some(Kernels::Subgroup), 1),
    ];
    for (kv, tolerance, kernels, prompts) in cases {
        let options = EngineOptions { kv: Some(kv), kernels, ..EngineOptions::default() };
        let mut engine = load(&smollm2(), Some(gpu(GpuOptions::default())), options).expect("loads");
        let mut worst: f32 = 0.0;
        // The long text is for the browser, where its perplexity is measured as well.
        let short = golden["prompts"].as_array().expect("prompts").iter().filter(|p| ids(&p["ids"]).len() < 100);
        for prompt in short.take(prompts) {
            let prompt_ids = ids(&prompt["ids"]);
            let mut last = Vec::new();
            let visit = |_: usize, logits: &[f32]| last = logits.to_vec();
            pollster::block_on(engine.session.all_logits(&prompt_ids, &Cancel::new(), visit)).expect("runs");
            for pair in prompt["f32"]["top20"].as_array().expect("top20") {
                let (id, wanted) = (pair[0].as_u64().expect("id") as usize, pair[1].as_f64().expect("logit") as f32);
                worst = worst.max((last[id] - wanted).abs());
            }
            let wanted = &ids(&prompt["f32"]["greedy"]["ids"])[..12];
            let margins = floats(&prompt["f32"]["greedy"]["margins"]);
            let got = greedy(&mut engine, &prompt_ids, wanted.len());
            let differs = (0..wanted.len()).find(|i| got[*i] != wanted[*i]);
            let excused = differs.is_none_or(|i| margins[i] < 2.0 * tolerance);
            assert!(excused, "{}: {got:?} for {wanted:?}", prompt["id"]);
        }
        println!("{kv:?}: largest error of a logit {worst}");
        assert!(worst < tolerance, "{kv:?}: a logit is off by {worst}");
    }
}

/// Text, drawn or greedy, does not depend on how far the GPU runs ahead, nor on who draws.
#[test]
fn text_is_the_same_however_far_the_gpu_runs_ahead() {
    let file = fixture("arch/llama/model-f32.gguf");
    let plain = SamplerOptions { seed: 11, ..SamplerOptions::default() };
    let samplers = [
        SamplerOptions { temperature: 0.0, ..plain.clone() },
        plain.clone(),
        SamplerOptions { temperature: 0.7, repetition_penalty: 1.3, frequency_penalty: 0.2, ..plain.clone() },
        SamplerOptions { top_k: 20, logit_bias: vec![(7, 2.0), (9, -3.0)], ..plain.clone() },
        SamplerOptions { top_p: 0.4, presence_penalty: 0.5, ..plain.clone() },
        SamplerOptions { min_p: 0.3, ..plain.clone() },
        // A nucleus wider than the GPU looks at: the CPU draws.
        SamplerOptions { temperature: 50.0, top_p: 0.999, repetition_penalty: 1.2, ..plain },
    ];
    for sampler in samplers {
        let texts: Vec<Vec<u32>> = [Some(0), Some(1), Some(4), None]
            .into_iter()
            .map(|run_ahead| {
                let options = EngineOptions { run_ahead, kv: Some(KvFormat::F32), ..EngineOptions::default() };
                let mut engine = load(&file, Some(gpu(GpuOptions::default())), options).expect("loads");
                // A second answer after one whose steps in flight are left behind.
                answer(&mut engine, &[9, 8, 7], 5, &sampler, false);
                answer(&mut engine, &[3, 1, 4, 1, 5], 40, &sampler, false)
            })
            .collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{sampler:?}: {texts:?}");
        let mut engine = load(&file, Some(gpu(GpuOptions::default())), EngineOptions::default()).expect("loads");
        // Log-probabilities are asked of the CPU, which draws then.
        let on_cpu = answer(&mut engine, &[3, 1, 4, 1, 5], 40, &sampler, true);
        assert_eq!(on_cpu, texts[0], "{sampler:?}");
    }
}

fn wanted(formats: &[Format], kernels: Option<Kernels>) -> Wanted<'_> {
    Wanted { kernels, ..Wanted::new(formats, Function::SiluMul) }
}

/// Every kernel that can be chosen is right on this device, and gives the logits that transformers computed.
#[test]
fn every_choice_of_kernels_is_right() {
    let gpu = gpu(GpuOptions::default());
    for kernels in [None, Some(Kernels::Rows), Some(Kernels::Workgroup), Some(Kernels::Subgroup)] {
        let tuning = pollster::block_on(tune(&gpu, &wanted(&Format::ALL, kernels))).expect("a choice");
        assert!(!tuning.tried.is_empty() && tuning.tried.iter().all(|trial| trial.right), "{tuning:?}");
        assert!(kernels.is_none_or(|kernels| tuning.kernels == kernels));
        for (name, file) in [("llama", "model-f32.gguf"), ("llama3", "")] {
            let options = EngineOptions { kernels, kv: Some(KvFormat::F32), ..EngineOptions::default() };
            let mut engine =
                load(&fixture(&format!("arch/{name}/{file}")), Some(Rc::clone(&gpu)), options).expect("loads");
            check(name, &mut engine);
        }
    }
    let no_subgroups = common::gpu(GpuOptions { no_subgroups: true, ..GpuOptions::default() });
    let refused = pollster::block_on(tune(&no_subgroups, &wanted(&[Format::F32], Some(Kernels::Subgroup))));
    let refused = refused.expect_err("has none");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

/// A kernel that computes wrongly: workgroup memory is added up in halves, and three is no power of two.
#[test]
fn a_kernel_that_computes_wrongly_is_not_chosen() {
    let gpu = gpu(GpuOptions::default());
    let right = Tuning { kernels: Kernels::Rows, workgroup: 16, ..Tuning::default() };
    let wrong = Tuning { kernels: Kernels::Workgroup, workgroup: 3, ..right.clone() };
    for format in Format::ALL {
        let formats = [format];
        let wanted = wanted(&formats, None);
        let chosen = pollster::block_on(choose(&gpu, &wanted, Role::Matvec, vec![wrong.clone(), right.clone()]));
        let chosen = chosen.expect("one is right");
        let found: Vec<_> = chosen.tried.iter().map(|trial| trial.right).collect();
        assert_eq!((found, chosen.kernels), (vec![false, true], Kernels::Rows), "{format:?}");
        let none =
            pollster::block_on(choose(&gpu, &wanted, Role::Matvec, vec![wrong.clone()])).expect_err("none is right");
        assert_eq!(none.kind(), ErrorKind::Gpu);
    }
}

/// What was chosen before is taken without looking again.
#[test]
fn a_remembered_choice_is_taken() {
    let gpu = gpu(GpuOptions::default());
    let file = fixture("arch/llama/model-f32.gguf");
    let chosen = load(&file, Some(Rc::clone(&gpu)), EngineOptions::default()).expect("loads").tuning.expect("on a GPU");
    let remembered = Tuning { kernels: Kernels::Workgroup, workgroup: 32, ms: 7.0, tried: Vec::new(), ..chosen.1 };
    let known = Some(remembered.clone());
    let mut engine = common::load_tuned(&file, Some(gpu), EngineOptions::default(), known).expect("loads");
    assert_eq!(engine.tuning, Some((chosen.0, remembered)));
    assert!(engine.session.backend().decode_labels().iter().any(|label| label.contains("WORKGROUP=32")));
    check("llama", &mut engine);
}

/// Steps in flight belong to the answer that asked for them: going on otherwise, or drawing otherwise, starts anew.
#[test]
fn steps_in_flight_are_forgotten_when_the_caller_goes_on_otherwise() {
    let file = fixture("arch/llama/model-f32.gguf");
    let session = || {
        let options = EngineOptions { run_ahead: Some(4), kv: Some(KvFormat::F32), ..EngineOptions::default() };
        load(&file, Some(gpu(GpuOptions::default())), options).expect("loads").session
    };
    let sampler = |seed: u64| SamplerOptions { temperature: 20.0, seed, ..SamplerOptions::default() };
    let next = |session: &mut Session, ids: &[u32]| match pollster::block_on(session.next(ids, 100, &Cancel::new()))
        .expect("runs")
    {
        Next::Token(id) => id,
        Next::Logits(_) => panic!("the GPU draws"),
    };
    let alone = |ids: &[u32], seed: u64| {
        let mut session = session();
        session.begin(ids, Some(&sampler(seed))).expect("begins");
        next(&mut session, ids)
    };
    let (mut n_otherwise, mut n_drawn_otherwise) = (0, 0);
    for seed in 0..4 {
        let mut session = session();
        let mut ids = vec![3, 1, 4, 1, 5];
        session.begin(&ids, Some(&sampler(seed))).expect("begins");
        let drawn = next(&mut session, &ids);
        // Another token than the one that was drawn, and that the steps in flight compute with.
        ids.push((drawn + 1) % 250);
        let got = next(&mut session, &ids);
        assert_eq!(got, alone(&ids, seed), "seed {seed}");
        ids.pop();
        ids.push(drawn);
        n_otherwise += u32::from(got != alone(&ids, seed));
        // The token that was drawn, but drawn on from by another seed: a new answer that continues the old one.
        let session = session_after(&mut session, &ids, &sampler(seed));
        session.begin(&ids, Some(&sampler(seed + 100))).expect("begins");
        let got = next(session, &ids);
        assert_eq!(got, alone(&ids, seed + 100), "seed {seed}");
        n_drawn_otherwise += u32::from(got != alone(&ids, seed));
    }
    // Otherwise the test would see no difference.
    assert!(n_otherwise > 0 && n_drawn_otherwise > 0);
}

/// The session once the last of `ids` was drawn by it, with steps in flight.
fn session_after<'a>(session: &'a mut Session, ids: &[u32], sampler: &SamplerOptions) -> &'a mut Session {
    session.reset();
    session.begin(&ids[..ids.len() - 1], Some(sampler)).expect("begins");
    let drawn = pollster::block_on(session.next(&ids[..ids.len() - 1], 100, &Cancel::new())).expect("runs");
    assert_eq!(drawn, Next::Token(ids[ids.len() - 1]));
    session
}

/// Where the GPU draws some tokens and the CPU others, penalties count all of them, and none that was not taken.
#[test]
fn gpu_and_cpu_draw_turn_by_turn() {
    let file = fixture("arch/llama/model-f32.gguf");
    let options = EngineOptions { kv: Some(KvFormat::F32), ..EngineOptions::default() };
    let mut session = load(&file, Some(gpu(GpuOptions::default())), options.clone()).expect("loads").session;
    let mut reference = load(&file, Some(gpu(GpuOptions::default())), options).expect("loads").session;
    let (mut on_gpu, mut on_cpu) = (0, 0);
    for seed in 0..12 {
        let temperature = 0.5 + seed as f32 * 0.1;
        let sampler =
            SamplerOptions { temperature, top_p: 0.97, presence_penalty: 12.0, seed, ..SamplerOptions::default() };
        let mut ids = vec![3, 1, 4, 1, 5];
        session.begin(&ids, Some(&sampler)).expect("begins");
        reference.begin(&ids, None).expect("begins");
        for _ in 0..24 {
            let drawn = |logits: &mut [f32]| sample(logits, &sampler, &ids, ids.len() as u32).expect("draws").id;
            let next = pollster::block_on(session.next(&ids, 100, &Cancel::new())).expect("runs");
            let Next::Logits(mut logits) = pollster::block_on(reference.next(&ids, 0, &Cancel::new())).expect("runs")
            else {
                panic!("nobody told the session how to draw")
            };
            let wanted = drawn(&mut logits);
            let got = match next {
                Next::Token(id) => {
                    on_gpu += 1;
                    id
                }
                Next::Logits(mut logits) => {
                    on_cpu += 1;
                    drawn(&mut logits)
                }
            };
            assert_eq!(got, wanted, "{sampler:?} after {ids:?}");
            ids.push(got);
        }
    }
    assert!(on_gpu > 20 && on_cpu > 20, "{on_gpu} on the GPU, {on_cpu} on the CPU");
}
