//! Mixtures of experts as files may have them otherwise than the goldens: MXFP4 in safetensors, plain layers between.

mod mxfp4;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::common::{self, Tensors, fixture, gpu, max_difference, safetensors as read};
use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::gpu::Gpu;
use doran::gpu::device::GpuOptions;
use doran::tune::Kernels;
use doran::weights::Cancel;
use serde_json::{Value, json};

/// A folder of these tensors with the rest of a fixture, whose configuration is changed.
fn write(label: &str, name: &str, tensors: &Tensors, changes: &Value) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("doran-experts-{label}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (dtype, shape, bytes)) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
        data.extend_from_slice(bytes);
    }
    let mut header = Value::Object(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&data);
    std::fs::write(folder.join("model.safetensors"), file).expect("writes");
    let mut config = common::json(&format!("arch/{name}/config.json"));
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    std::fs::write(folder.join("config.json"), config.to_string()).expect("writes");
    std::fs::copy(fixture(&format!("arch/{name}/tokenizer.json")), folder.join("tokenizer.json")).expect("copies");
    folder
}

fn load(folder: &Path, gpu: Option<Rc<Gpu>>, kernels: Option<Kernels>) -> doran::Result<Engine> {
    common::load(folder, gpu, EngineOptions { kernels, context: Some(64), ..EngineOptions::default() })
}

/// The logits after each token of a prompt, and after the last once more by the kernels for one row.
fn logits(engine: &mut Engine) -> Vec<f32> {
    let ids: Vec<u32> = (0..20).map(|i| i * 37 % 380).collect();
    let mut all = Vec::new();
    for prompt in [&ids[..], &ids[..1]] {
        let visit = |_: usize, logits: &[f32]| all.extend_from_slice(logits);
        pollster::block_on(engine.session.all_logits(prompt, &Cancel::new(), visit)).expect("runs");
    }
    all
}

/// The references, and each family of kernels.
fn backends() -> Vec<(Option<Rc<Gpu>>, Option<Kernels>)> {
    let small = GpuOptions { max_binding_bytes: Some(48 << 10), ..GpuOptions::default() };
    vec![
        (None, None),
        (Some(gpu(GpuOptions::default())), Some(Kernels::Rows)),
        (Some(gpu(small)), Some(Kernels::Workgroup)),
        (Some(gpu(GpuOptions::default())), Some(Kernels::Subgroup)),
    ]
}

/// One expert that every token is given to is an MLP, which a layer without a mixture has in its place.
#[test]
fn a_layer_without_experts_has_an_mlp() {
    for name in ["qwen3_moe", "qwen2_moe"] {
        let mut one = read(name);
        let others = |name: &str| name.contains(".experts.") && !name.contains(".experts.0.");
        one.retain(|name, _| !others(name));
        for (name, (_, shape, bytes)) in &mut one {
            if name.ends_with("mlp.gate.weight") {
                bytes.truncate(bytes.len() / shape[0]);
                shape[0] = 1;
            }
            // So that nothing comes of the shared expert.
            if name.contains("shared_expert.down_proj") {
                bytes.fill(0);
            }
        }
        let mut plain = Tensors::new();
        for (name, tensor) in &one {
            let dense = name.contains("layers.0.mlp.experts.0.").then(|| name.replace("experts.0.", ""));
            let gone = name.contains("layers.0.mlp.gate.") || name.contains("layers.0.mlp.shared");
            if !gone {
                plain.insert(dense.unwrap_or_else(|| name.clone()), tensor.clone());
            }
        }
        let experts = json!({ "num_experts": 1, "num_local_experts": 1, "num_experts_per_tok": 1 });
        let one = write(&format!("one-{name}"), name, &one, &experts);
        let backends = backends();
        let wanted: Vec<_> = backends
            .iter()
            .map(|(gpu, kernels)| logits(&mut load(&one, gpu.clone(), *kernels).expect("loads")))
            .collect();
        for (key, value) in [("mlp_only_layers", json!([0])), ("decoder_sparse_step", json!(2))] {
            let mut changes = experts.clone();
            changes[key] = value;
            changes["intermediate_size"] = 24.into();
            let folder = write(&format!("{key}-{name}"), name, &plain, &changes);
            for ((gpu, kernels), wanted) in backends.iter().zip(&wanted) {
                let mut engine = load(&folder, gpu.clone(), *kernels).expect("loads");
                let error = max_difference(&logits(&mut engine), wanted);
                assert!(error < 2e-5, "{name}, {key}, {kernels:?}: off by {error}");
            }
            std::fs::remove_dir_all(folder).expect("removes");
        }
        // What cannot be is said.
        for (changes, kind) in [
            (json!({ "decoder_sparse_step": 0 }), ErrorKind::BadFile),
            (json!({ "num_experts_per_tok": 7 }), ErrorKind::BadFile),
            (json!({ "num_experts_per_tok": 17 }), ErrorKind::Unsupported),
            (json!({ "hidden_act": "wobble" }), ErrorKind::Unsupported),
        ] {
            let folder = write(&format!("bad-{name}"), name, &read(name), &changes);
            assert_eq!(load(&folder, None, None).map(|_| ()).map_err(|error| error.kind()), Err(kind), "{changes}");
            std::fs::remove_dir_all(folder).expect("removes");
        }
        std::fs::remove_dir_all(one).expect("removes");
    }
}

/// `[outer, n, inner]` floats: `change` gives what becomes of each of the `n`, or drops it.
fn along(tensor: &mut (String, Vec<usize>, Vec<u8>), axis: usize, change: impl Fn(usize, f32) -> Option<f32>) {
    let (_, shape, bytes) = tensor;
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
    let changed = values.iter().enumerate().filter_map(|(i, value)| change(i / inner % n, *value));
    let changed: Vec<f32> = changed.collect();
    shape[axis] = n * changed.len() / values.len();
    *bytes = bytemuck::cast_slice(&changed).to_vec();
}

/// Experts of a width that is no whole number of quads, each in a tensor of its own, all in one, or packed as gpt-oss has them:
/// they are those of the next width whose last gate is closed.
#[test]
fn experts_of_odd_width() {
    let last_of = |n: usize, period: usize| move |i: usize| i + period >= n * period;
    let closed = |tensor: &mut (String, Vec<usize>, Vec<u8>), axis, last: &dyn Fn(usize) -> bool| {
        along(tensor, axis, |i, v| Some(if last(i) { 0.0 } else { v }));
    };
    let dropped = |tensor: &mut (String, Vec<usize>, Vec<u8>), axis, last: &dyn Fn(usize) -> bool| {
        along(tensor, axis, |i, v| (!last(i)).then_some(v));
    };
    for name in ["qwen3_moe", "mixtral", "gpt_oss"] {
        let (mut even, mut odd) = (read(name), read(name));
        let width = common::json(&format!("arch/{name}/config.json"));
        let key = if name == "qwen3_moe" { "moe_intermediate_size" } else { "intermediate_size" };
        let width = width[key].as_u64().expect("a width") as usize;
        for (tensors, is_even) in [(&mut even, true), (&mut odd, false)] {
            for (tensor_name, tensor) in tensors.iter_mut().filter(|(name, _)| name.contains("experts")) {
                let is = |names: &[&str]| names.iter().any(|part| tensor_name.contains(part));
                // Which axis is the experts' width, and how many columns stand for one of it.
                let (axis, period) = match name {
                    "gpt_oss" if is(&["down_proj_bias"]) => continue,
                    "gpt_oss" if is(&["down_proj"]) => (1, 1),
                    "gpt_oss" if is(&["gate_up_proj_bias"]) => (1, 2),
                    "gpt_oss" => (2, 2),
                    _ if is(&["down_proj", "w2"]) => (1, 1),
                    _ => (0, 1),
                };
                let last = last_of(width, period);
                if is_even { closed(tensor, axis, &last) } else { dropped(tensor, axis, &last) }
            }
        }
        let mut folders = vec![write(&format!("even-{name}"), name, &even, &json!({}))];
        let narrower = json!({ key: width - 1 });
        folders.push(write(&format!("odd-{name}"), name, &odd, &narrower));
        if name != "gpt_oss" {
            // All experts in one tensor.
            let mut stacked = Tensors::new();
            for (tensor_name, (dtype, shape, bytes)) in &odd {
                let Some((at, rest)) = tensor_name.split_once(".experts.") else {
                    stacked.insert(tensor_name.clone(), (dtype.clone(), shape.clone(), bytes.clone()));
                    continue;
                };
                let (_, linear) = rest.split_once('.').expect("a number");
                let entry = stacked.entry(format!("{at}.experts.{linear}"));
                let entry = entry.or_insert_with(|| (dtype.clone(), [&[0], &shape[..]].concat(), Vec::new()));
                entry.1[0] += 1;
                entry.2.extend_from_slice(bytes);
            }
            folders.push(write(&format!("stacked-{name}"), name, &stacked, &narrower));
        }
        for (gpu, kernels) in backends() {
            let of = |folder: &PathBuf| logits(&mut load(folder, gpu.clone(), kernels).expect("loads"));
            let wanted = of(&folders[0]);
            for folder in &folders[1..] {
                let error = max_difference(&of(folder), &wanted);
                assert!(error < 2e-5, "{}, {kernels:?}: off by {error}", folder.display());
            }
        }
        folders.iter().for_each(|folder| std::fs::remove_dir_all(folder).expect("removes"));
    }
}

/// The file with each tensor of experts as one tensor an expert, as llama.cpp wrote them before April 2024.
fn with_tensors_of_experts(file: &[u8]) -> Vec<u8> {
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes")) as usize;
    let (n_tensors, n_pairs) = (u64_at(8), u64_at(16));
    let mut at = 24;
    let after_value = |kind: u32, at: usize| match kind {
        0 | 1 | 7 => at + 1,
        2 | 3 => at + 2,
        4..=6 => at + 4,
        8 => at + 8 + u64_at(at),
        10..=12 => at + 8,
        _ => panic!("an array of arrays"),
    };
    for _ in 0..n_pairs {
        at += 8 + u64_at(at);
        let kind = u32_at(at);
        at += 4;
        if kind != 9 {
            at = after_value(kind, at);
            continue;
        }
        let (of, n) = (u32_at(at), u64_at(at + 4));
        at += 12;
        for _ in 0..n {
            at = after_value(of, at);
        }
    }
    let (mut infos, mut made) = (Vec::new(), 0);
    let pairs_end = at;
    for _ in 0..n_tensors {
        let begin = at;
        let name_end = at + 8 + u64_at(at);
        let name = std::str::from_utf8(&file[at + 8..name_end]).expect("UTF-8");
        let dims: Vec<usize> = (0..u32_at(name_end) as usize).map(|i| u64_at(name_end + 4 + 8 * i)).collect();
        at = name_end + 4 + 8 * dims.len() + 12;
        let Some((stem, part)) = name.split_once("_exps.") else {
            infos.extend_from_slice(&file[begin..at]);
            made += 1;
            continue;
        };
        assert_eq!(u32_at(at - 12), 0, "F32");
        let (offset, bytes) = (u64_at(at - 8), dims[0] * dims[1] * 4);
        for expert in 0..dims[2] {
            let name = format!("{stem}.{expert}.{part}");
            infos.extend_from_slice(&(name.len() as u64).to_le_bytes());
            infos.extend_from_slice(name.as_bytes());
            infos.extend_from_slice(&2u32.to_le_bytes());
            for number in [dims[0], dims[1]] {
                infos.extend_from_slice(&(number as u64).to_le_bytes());
            }
            infos.extend_from_slice(&0u32.to_le_bytes());
            infos.extend_from_slice(&((offset + expert * bytes) as u64).to_le_bytes());
            made += 1;
        }
    }
    let mut out = [&file[..8], &(made as u64).to_le_bytes(), &file[16..pairs_end], &infos].concat();
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend_from_slice(&file[at.next_multiple_of(32)..]);
    out
}

#[test]
fn a_tensor_an_expert_in_gguf_is_one_of_all() {
    let whole = fixture("arch/mixtral/model-f32.gguf");
    let old = with_tensors_of_experts(&std::fs::read(&whole).expect("reads"));
    let path = std::env::temp_dir().join(format!("doran-experts-old-{}.gguf", std::process::id()));
    std::fs::write(&path, old).expect("writes");
    for (gpu, kernels) in backends() {
        let mut wanted = load(&whole, gpu.clone(), kernels).expect("loads");
        let mut engine = load(&path, gpu, kernels).expect("loads");
        assert_eq!(logits(&mut engine), logits(&mut wanted), "{kernels:?}");
    }
}
