//! LoRA adapters against logits that PEFT computed, on the references and on lavapipe: one, others, stacks, scales, and back.

use std::rc::Rc;

use doran::backend::Adapter;
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::tune::Kernels;
use serde_json::json as object;

use super::{adapter, answer, load_adapter, logits, pair, uses, write_peft};
use crate::common::{fixture, floats, gpu, ids, json, load, max_difference};

/// Largest absolute error of a logit, in f32: that of the tiny models themselves (`tests/models.rs`).
const TOLERANCE: f32 = 1e-4;

/// Checkpoints with adapters, and the files of each that the model is loaded from.
const MODELS: [(&str, [&str; 2]); 3] =
    [("llama", ["", "model-f32.gguf"]), ("phi3", ["", "model-f32.gguf"]), ("gpt2", ["", "model-f32.gguf"])];

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
fn check_all(open: impl Fn() -> (Option<Rc<Gpu>>, EngineOptions)) {
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

/// Weights that are quantised stay as they are, and adapters in half floats too; q and k in one matrix with v, or not.
#[test]
fn adapters_of_quantised_models_are_as_on_the_references() {
    for (file, dtype) in [("kq-Q4_K.gguf", "F16"), ("kq-Q6_K.gguf", "BF16"), ("kq-Q5_0.gguf", "F32")] {
        let path = fixture(&format!("kquant_models/{file}"));
        let mut on_cpu = load(&path, None, EngineOptions::default()).expect("loads");
        let graph = on_cpu.session.backend().adaptable().expect("a decoder");
        let shapes = ["self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj"].map(|module| {
            let mut weight =
                graph.weights.iter().filter(|weight| weight.name == format!("model.layers.0.{module}.weight"));
            let (rows, cols) =
                weight.next().map(|weight| (weight.rows as usize, weight.cols as usize)).expect("a weight");
            pair(&format!("model.layers.0.{module}"), dtype, [7, cols, rows])
        });
        let folder = write_peft(&format!("{file}-{dtype}"), &object!({}), &shapes.concat());
        let prompt: Vec<u32> = (1..40).collect();
        let reference = load_adapter(&on_cpu, &folder).expect("loads").0;
        let (plain, _) = logits(&mut on_cpu, &prompt, &[]);
        let (wanted, _) = logits(&mut on_cpu, &prompt, &uses(&[(&reference, 1.0)]));
        assert!(max_difference(&plain, &wanted) > 0.1, "{file}: the adapter changes nothing");
        for (options, kernels) in [
            (GpuOptions::default(), None),
            (GpuOptions { as_hardware: true, ..GpuOptions::default() }, Some(Kernels::Subgroup)),
            (GpuOptions { as_hardware: true, ..GpuOptions::default() }, Some(Kernels::Workgroup)),
        ] {
            let options = (gpu(options), EngineOptions { kernels, ..EngineOptions::default() });
            let mut engine = load(&path, Some(options.0), options.1).expect("loads");
            let adapter = load_adapter(&engine, &folder).expect("loads").0;
            for n in [1, prompt.len()] {
                let (wanted, _) = logits(&mut on_cpu, &prompt[..n], &uses(&[(&reference, 1.0)]));
                let (got, _) = logits(&mut engine, &prompt[..n], &uses(&[(&adapter, 1.0)]));
                let largest = wanted.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
                let error = max_difference(&got, &wanted) / largest;
                println!("{file} with {dtype}, {kernels:?}, {n} tokens: off by {error:e} of the largest");
                assert!(error < 3e-5, "{file} with {dtype}, {kernels:?}: logits are off by {error} of the largest");
            }
        }
    }
}
