//! `precision: "fast"`: kernels that round activations to half floats or bytes, where they are chosen and what they cost.

use std::path::Path;
use std::rc::Rc;

use crate::common::{self, fixture, gpu, ids, json, load, max_difference, smollm2};
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::ops::KvFormat;
use doran::ops::elementwise::Function;
use doran::ops::linear::activations::Activations;
use doran::quant::Format;
use doran::session::Next;
use doran::tune::{Kernels, Precision, Role, Trial, Tuning, Wanted, choose, tune};
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

/// Whether a decoded token runs kernels that round so.
fn rounds_to(engine: &Engine, activations: Activations) -> bool {
    let folder = format!("{}/", activations.name());
    engine
        .session
        .backend()
        .decode_labels()
        .iter()
        .any(|label| label.split(['[', ',']).any(|slot| slot.starts_with(&folder)))
}

/// Whether it runs kernels that round at all.
fn rounds(engine: &Engine) -> bool {
    [Activations::F16, Activations::Int8].into_iter().any(|activations| rounds_to(engine, activations))
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
    // Where the device has both, bytes come first.
    let halves = common::gpu(GpuOptions { no_packed_dot: true, ..GpuOptions::default() });
    for (i, (path, prompt)) in cases.into_iter().chain([(smollm2(), real)]).enumerate() {
        let all = [Kernels::Rows, Kernels::Workgroup, Kernels::Subgroup];
        let bytes = all.map(|kernels| (kernels, Activations::Int8));
        // llvmpipe takes long to compile half floats: two files, one family.
        let in_halves = [(Kernels::Workgroup, Activations::F16)].into_iter().filter(|_| [1, 4].contains(&i));
        for (kernels, activations) in bytes.into_iter().chain(in_halves) {
            let label = format!("{} by {kernels:?} in {activations:?}", path.display());
            let mut exact = engine(&path, &gpu, Some(kernels), Precision::Exact);
            let fast_gpu = if activations == Activations::F16 { &halves } else { &gpu };
            let mut fast = engine(&path, fast_gpu, Some(kernels), Precision::Fast);
            assert_eq!([rounds(&exact), rounds_to(&fast, activations)], [false, true], "{label}");
            let key = |engine: &Engine| engine.tuning.clone().expect("on a GPU").0;
            assert_eq!(key(&fast), key(&exact) + ";fast", "{label}: each has a choice of its own");
            let dispatches = |engine: &Engine| engine.session.backend().decode_labels().len();
            assert_eq!(dispatches(&exact), dispatches(&fast), "{label}");
            let wanted = logits(&mut exact, &prompt);
            let error = distance(&logits(&mut fast, &prompt), &wanted);
            println!("{label}: off by {error:e} of the largest logit");
            let (least, most) = if activations == Activations::F16 { (1e-5, 0.01) } else { (1e-4, 0.05) };
            assert!(error > least, "{label}: as if nothing were rounded");
            assert!(error < most, "{label}: {error}");
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

fn of_matvec(tuning: &Tuning) -> impl Iterator<Item = &Trial> {
    tuning.tried.iter().filter(|trial| trial.role == Role::Matvec)
}

fn rounding_trials(tuning: &Tuning) -> Vec<&Trial> {
    of_matvec(tuning).filter(|trial| trial.error.is_some()).collect()
}

fn activations_of(trial: &Trial) -> Activations {
    let name = trial.variant.rsplit(", ").next().expect("a name");
    Activations::named(name).unwrap_or(Activations::F32)
}

/// Where such kernels are looked at: on GPUs that have half floats or the dot product, where the caller allows it.
#[test]
fn rounding_is_a_choice_of_callers_and_gpus() {
    let hardware = GpuOptions { as_hardware: true, ..GpuOptions::default() };
    let only_halves = GpuOptions { no_packed_dot: true, ..hardware };
    let only_bytes = GpuOptions { no_half_floats: true, ..hardware };
    let without = GpuOptions { no_packed_dot: true, ..only_bytes };
    let (both, halves, bytes): (&[_], &[_], &[_]) =
        (&[Activations::F16, Activations::Int8], &[Activations::F16], &[Activations::Int8]);
    let blocks: &[Format] = &[Format::Q4_1, Format::F32, Format::IQ4_NL];
    let floats: &[Format] = &[Format::F32, Format::F16];
    let (rows, any) = (Some(Kernels::Rows), None);
    let cases = [
        (hardware, Precision::Fast, any, blocks, both),
        (hardware, Precision::Exact, any, blocks, &[]),
        (hardware, Precision::Fast, any, floats, &[]),
        (without, Precision::Fast, any, blocks, &[]),
        (only_halves, Precision::Fast, any, blocks, halves),
        (only_bytes, Precision::Fast, any, blocks, bytes),
        // CPU adapters never by themselves; there the first is the choice.
        (GpuOptions::default(), Precision::Fast, any, blocks, &[]),
        (GpuOptions::default(), Precision::Exact, rows, blocks, &[]),
        (GpuOptions::default(), Precision::Fast, rows, blocks, bytes),
        (GpuOptions { as_hardware: false, ..only_halves }, Precision::Fast, rows, blocks, halves),
        (GpuOptions { as_hardware: false, ..without }, Precision::Fast, rows, blocks, &[]),
    ];
    // The other roles are for `tests/kernels/roles.rs`.
    let others = [(Role::Matmul, "rows32"), (Role::Splits, "32"), (Role::Queries, "32"), (Role::Norm, "workgroup 64")];
    let others = others.map(|(role, variant)| (role, variant.to_owned()));
    for (options, precision, kernels, formats, rounding) in cases {
        let looked_at = !rounding.is_empty();
        let budget_ms = f64::INFINITY;
        // CPU adapters time nothing.
        let forced = if options.as_hardware { &others[..] } else { &[] };
        let wanted = Wanted { kernels, forced, precision, budget_ms, ..Wanted::new(formats, Function::SiluMul) };
        let tuning = pollster::block_on(tune(&gpu(options), &wanted)).expect("a choice");
        let trials = rounding_trials(&tuning);
        let label = format!("{options:?} {wanted:?}: {tuning:?}");
        for activations in [Activations::F16, Activations::Int8] {
            let found = trials.iter().any(|trial| activations_of(trial) == activations);
            assert_eq!(found, rounding.contains(&activations), "{activations:?}: {label}");
        }
        for trial in trials {
            let error = trial.error.expect("measured");
            assert!(trial.right && (1e-5..activations_of(trial).tolerance()).contains(&error), "{label}");
            assert_eq!(trial.micros.is_some(), options.as_hardware, "{label}");
        }
        assert!(looked_at || tuning.activations == Activations::F32, "{label}");
        // On GPUs time decides, after an exact kernel was timed; on CPU adapters what was asked for comes first.
        assert_eq!(tuning.tried[0].error.is_some(), looked_at && !options.as_hardware, "{label}");
        if options.as_hardware {
            let cost = |trial: &Trial| trial.micros.expect("timed") * if trial.error.is_some() { 1.05 } else { 1.0 };
            let best = of_matvec(&tuning).min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("some");
            assert_eq!(activations_of(best), tuning.activations, "{label}");
        }
        assert!(kernels.is_none() || [tuning.activations] == rounding || !looked_at, "{label}");
    }
}

/// A kernel that is too far from the exact result is refused, and so is one that computes wrongly or does not compile.
#[test]
fn kernels_that_round_too_much_are_not_chosen() {
    let gpu = gpu(GpuOptions::default());
    let rounding = |activations, format: &Format| match activations {
        Activations::F16 => [Format::Q4_1, Format::Q6_K, Format::Q8_0].contains(format),
        _ => format.integer_dot().is_some(),
    };
    let all = [Activations::F16, Activations::Int8].into_iter().flat_map(|activations| {
        Format::ALL
            .into_iter()
            .filter(move |format| rounding(activations, format))
            .map(move |format| (activations, format))
    });
    for (activations, format) in all {
        let formats = [format];
        let allowed = Wanted { precision: Precision::Fast, ..Wanted::new(&formats, Function::SiluMul) };
        let strict = Wanted { tolerance: 1e-5, ..allowed };
        let exact = Tuning { kernels: Kernels::Workgroup, workgroup: 32, ..Tuning::default() };
        let fast = Tuning { activations, ..exact.clone() };
        let wrong = Tuning { workgroup: 3, ..fast.clone() };
        let too_large = Tuning { workgroup: 1 << 20, ..fast.clone() };
        let cases =
            [(allowed, &fast, true), (strict, &fast, false), (allowed, &wrong, false), (allowed, &too_large, false)];
        for (wanted, candidate, right) in cases {
            let candidates = vec![candidate.clone(), exact.clone()];
            let chosen = pollster::block_on(choose(&gpu, &wanted, Role::Matvec, candidates)).expect("one is right");
            let found = (chosen.tried[0].right, chosen.activations == activations);
            assert_eq!(found, (right, right), "{format:?} {wanted:?} {candidate:?}");
        }
    }
}

/// Where the device has neither half floats nor such a dot product, a model loads and is exact.
#[test]
fn fast_loads_without_the_dot_product() {
    let gpu = gpu(GpuOptions { no_packed_dot: true, no_half_floats: true, as_hardware: true, ..GpuOptions::default() });
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

/// Each variant of each role, forced: the logits of a prompt are the same, but for tiles in bytes, which are as near as they say.
#[test]
fn logits_by_each_variant() {
    let gpu = gpu(GpuOptions { as_hardware: true, ..GpuOptions::default() });
    let path = fixture("kquant_models/kq-Q4_K.gguf");
    let prompt: Vec<u32> = (0..20).map(|i| i * 7 % 60).collect();
    let logits = |precision, forced: &[(Role, &str)]| {
        let variants = forced.iter().map(|(role, variant)| (*role, (*variant).to_owned())).collect();
        let (kernels, kv) = (Some(Kernels::Workgroup), Some(KvFormat::F32));
        let options = EngineOptions { kernels, variants, precision, kv, ..EngineOptions::default() };
        let mut engine = load(&path, Some(Rc::clone(&gpu)), options).expect("loads");
        for (role, variant) in forced {
            assert_eq!(role.variant(&engine.tuning.as_ref().expect("on a GPU").1), *variant);
        }
        let mut last = Vec::new();
        let visit = |_: usize, logits: &[f32]| last = logits.to_vec();
        pollster::block_on(engine.session.all_logits(&prompt, &Cancel::new(), visit)).expect("runs");
        last
    };
    let wanted = logits(Precision::Exact, &[(Role::Matmul, "rows32"), (Role::Queries, "32")]);
    for forced in
        [[(Role::Matmul, "rows64"), (Role::Queries, "8")], [(Role::Splits, "8"), (Role::Norm, "workgroup 256")]]
    {
        let error = distance(&logits(Precision::Exact, &forced), &wanted);
        assert!(error < 1e-5, "{forced:?}: {error}");
    }
    let error = distance(&logits(Precision::Fast, &[(Role::Matmul, "int8")]), &wanted);
    println!("a prompt in bytes: off by {error:e} of the largest logit");
    assert!((1e-4..0.05).contains(&error), "{error}");
}
