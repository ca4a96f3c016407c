//! `precision: "fast"`: kernels that round activations to bytes, where they are chosen and what they cost.

use std::path::Path;
use std::rc::Rc;

use crate::common::{fixture, gpu, ids, json, load, max_difference, smollm2};
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::ops::KvFormat;
use doran::ops::elementwise::Function;
use doran::ops::linear::int8;
use doran::quant::Format;
use doran::session::Next;
use doran::tune::{Kernels, Precision, Trial, Tuning, Wanted, choose, tune};
use doran::weights::Cancel;

fn engine(path: &Path, gpu: &Rc<Gpu>, kernels: Option<Kernels>, precision: Precision) -> Engine {
    let options = EngineOptions { kernels, precision, kv: Some(KvFormat::F32), ..EngineOptions::default() };
    load(path, Some(Rc::clone(gpu)), options).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The logits after each token, one row at a time.
fn logits(engine: &mut Engine, ids: &[u32]) -> Vec<f32> {
    engine.session.reset();
    engine.session.begin(&ids[..1], None).expect("begins");
    let mut all = Vec::new();
    for n in 1..=ids.len() {
        match pollster::block_on(engine.session.next(&ids[..n], 0, &Cancel::new())).expect("runs") {
            Next::Logits(logits) => all.extend(logits),
            Next::Token(_) => panic!("nobody asked for a draw"),
        }
    }
    all
}

/// Whether a decoded token runs kernels that round.
fn rounds(engine: &Engine) -> bool {
    engine.session.backend().decode_labels().iter().any(|label| label.contains("int8/"))
}

/// The largest difference of logits, relative to the largest logit.
fn distance(got: &[f32], wanted: &[f32]) -> f32 {
    max_difference(got, wanted) / wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()))
}

/// Tiny models and the real one: by every family of kernels as near to the exact logits as the package's README says, and not the same.
#[test]
fn logits_of_models_with_rounded_activations() {
    let gpu = gpu(GpuOptions::default());
    let tiny = |file: &str| (fixture(&format!("kquant_models/{file}")), (0..12).map(|i| i * 7 % 60).collect());
    let golden = json("real/smollm2-135m-instruct-q4_1.json");
    let real = ids(&golden["prompts"][0]["ids"]);
    let cases = ["kq-Q2_K.gguf", "kq-Q4_K.gguf", "kq-Q5_0.gguf", "kq-Q6_K.gguf"].map(tiny);
    for (path, prompt) in cases.into_iter().chain([(smollm2(), real)]) {
        for kernels in [Kernels::Rows, Kernels::Workgroup, Kernels::Subgroup] {
            let label = format!("{} by {kernels:?}", path.display());
            let mut exact = engine(&path, &gpu, Some(kernels), Precision::Exact);
            let mut fast = engine(&path, &gpu, Some(kernels), Precision::Fast);
            assert_eq!([rounds(&exact), rounds(&fast)], [false, true], "{label}");
            let key = |engine: &Engine| engine.tuning.clone().expect("on a GPU").0;
            assert_eq!(key(&fast), key(&exact) + ";fast", "{label}: each has a choice of its own");
            let dispatches = |engine: &Engine| engine.session.backend().decode_labels().len();
            assert_eq!(dispatches(&exact), dispatches(&fast), "{label}");
            let wanted = logits(&mut exact, &prompt);
            let error = distance(&logits(&mut fast, &prompt), &wanted);
            println!("{label}: off by {error:e} of the largest logit");
            assert!(error > 1e-4, "{label}: as if nothing were rounded");
            assert!(error < 0.05, "{label}: {error}");
            // Prompts are read exactly: their last row by kernels for many rows here.
            let mut last = [Vec::new(), Vec::new()];
            for (engine, last) in [&mut exact, &mut fast].into_iter().zip(&mut last) {
                let visit = |_: usize, logits: &[f32]| *last = logits.to_vec();
                pollster::block_on(engine.session.all_logits(&prompt, &Cancel::new(), visit)).expect("runs");
            }
            assert_eq!(last[0], last[1], "{label}: a step of several rows");
        }
    }
}

fn int8_trials(tuning: &Tuning) -> Vec<&Trial> {
    tuning.tried.iter().filter(|trial| trial.variant.ends_with("int8")).collect()
}

/// Where such kernels are looked at: on GPUs that have the dot product, where the caller allows it.
#[test]
fn rounding_is_a_choice_of_callers_and_gpus() {
    let hardware = GpuOptions { as_hardware: true, ..GpuOptions::default() };
    let without = GpuOptions { no_packed_dot: true, ..hardware };
    let blocks: &[Format] = &[Format::Q4_1, Format::Q8_0, Format::F32, Format::IQ4_NL];
    let floats: &[Format] = &[Format::F32, Format::F16];
    let (rows, any) = (Some(Kernels::Rows), None);
    let cases = [
        (hardware, Precision::Fast, any, blocks, true),
        (hardware, Precision::Exact, any, blocks, false),
        (hardware, Precision::Fast, any, floats, false),
        (without, Precision::Fast, any, blocks, false),
        // CPU adapters never by themselves.
        (GpuOptions::default(), Precision::Fast, any, blocks, false),
        (GpuOptions::default(), Precision::Exact, rows, blocks, false),
        (GpuOptions::default(), Precision::Fast, rows, blocks, true),
        (GpuOptions { no_packed_dot: true, ..GpuOptions::default() }, Precision::Fast, rows, blocks, false),
    ];
    for (options, precision, kernels, formats, looked_at) in cases {
        let budget_ms = f64::INFINITY;
        let wanted = Wanted { kernels, precision, budget_ms, ..Wanted::new(formats, Function::SiluMul) };
        let tuning = pollster::block_on(tune(&gpu(options), &wanted)).expect("a choice");
        let trials = int8_trials(&tuning);
        let label = format!("{options:?} {wanted:?}: {tuning:?}");
        assert_eq!(!trials.is_empty(), looked_at, "{label}");
        for trial in trials {
            let error = trial.error.expect("measured");
            assert!(trial.right && (1e-4..int8::TOLERANCE).contains(&error), "{label}");
            assert_eq!(trial.micros.is_some(), options.as_hardware, "{label}");
        }
        assert!(looked_at || !tuning.int8, "{label}");
        // On GPUs time decides, after an exact kernel was timed; on CPU adapters what was asked for comes first.
        assert_eq!(tuning.tried[0].variant.ends_with("int8"), looked_at && !options.as_hardware, "{label}");
        if options.as_hardware {
            let cost = |trial: &Trial| trial.micros.expect("timed") * if trial.error.is_some() { 1.05 } else { 1.0 };
            let best = tuning.tried.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("some");
            assert_eq!(best.error.is_some(), tuning.int8, "{label}");
        }
        assert!(kernels.is_none() || tuning.int8 == looked_at, "{label}");
    }
}

/// A kernel that is too far from the exact result is refused, and so is one that computes wrongly or does not compile.
#[test]
fn kernels_that_round_too_much_are_not_chosen() {
    let gpu = gpu(GpuOptions::default());
    for format in Format::ALL.into_iter().filter(|format| format.int8_dot().is_some()) {
        let formats = [format];
        let allowed = Wanted { precision: Precision::Fast, ..Wanted::new(&formats, Function::SiluMul) };
        let strict = Wanted { tolerance: 1e-5, ..allowed };
        let exact = Tuning {
            kernels: Kernels::Workgroup,
            workgroup: 32,
            broadcast: false,
            int8: false,
            tried: Vec::new(),
            ms: 0.0,
        };
        let int8 = Tuning { int8: true, ..exact.clone() };
        let wrong = Tuning { workgroup: 3, ..int8.clone() };
        let too_large = Tuning { workgroup: 1 << 20, ..int8.clone() };
        let cases =
            [(allowed, &int8, true), (strict, &int8, false), (allowed, &wrong, false), (allowed, &too_large, false)];
        for (wanted, candidate, right) in cases {
            let candidates = vec![candidate.clone(), exact.clone()];
            let chosen = pollster::block_on(choose(&gpu, &wanted, candidates)).expect("one is right");
            assert_eq!((chosen.tried[0].right, chosen.int8), (right, right), "{format:?} {wanted:?} {candidate:?}");
        }
    }
}

/// Where the device has no such dot product, a model loads and is exact.
#[test]
fn fast_loads_without_the_dot_product() {
    let gpu = gpu(GpuOptions { no_packed_dot: true, as_hardware: true, ..GpuOptions::default() });
    let path = fixture("kquant_models/kq-Q4_K.gguf");
    let prompt = [3, 1, 4, 1, 5];
    let [exact, fast] = [Precision::Exact, Precision::Fast].map(|precision| {
        let mut engine = engine(&path, &gpu, Some(Kernels::Workgroup), precision);
        // Timing may choose another size of workgroup: one that both have.
        let variants = engine.tuning.clone().expect("on a GPU").1.workgroup;
        (variants, rounds(&engine), logits(&mut engine, &prompt))
    });
    assert_eq!([exact.1, fast.1], [false, false]);
    assert!(distance(&fast.2, &exact.2) < 1e-5);
}
