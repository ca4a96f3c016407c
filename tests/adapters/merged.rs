//! An adapter on every linear of every architecture, against the same model with `B A` added to its weights beforehand: rows of
//! fused, interleaved and transposed tensors get what is theirs, whichever format the model has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::gpu::device::GpuOptions;
use doran::ops::Op;
use serde_json::{Value, json};

use super::{Shapes, load_adapter, logits, pair, uses, write_peft};
use crate::common::{self, Tensors, fixture, gpu, load, max_difference, safetensors};

/// Checkpoints in one F32 safetensors file each.
const NAMES: [&str; 24] = [
    "bloom",
    "cohere",
    "exaone",
    "falcon",
    "gemma2",
    "glm4",
    "gpt2",
    "gpt_neox",
    "gpt_oss",
    "gptj",
    "granite",
    "lfm2",
    "llama",
    "mamba",
    "mixtral",
    "olmo2",
    "opt",
    "phi",
    "phi3",
    "qwen2_moe",
    "qwen3",
    "rwkv",
    "stablelm",
    "starcoder2",
];
/// Those whose GGUF files have rows of fused tensors in another order.
const REORDERED: [&str; 3] = ["bloom", "falcon", "gpt_neox"];
const RANK: usize = 3;
const SCALING: f32 = 8.0 / RANK as f32;

/// The tensors of plain linears, which no embedding shares.
fn linears(engine: &Engine) -> Vec<String> {
    let graph = engine.session.backend().adaptable().expect("a decoder");
    let (mut linears, mut tables) = (Vec::new(), Vec::new());
    for node in &graph.nodes {
        match &node.op {
            Op::Linear(linear) => linears.push(linear.weight),
            Op::Embedding(embedding) => tables.push(embedding.weight),
            _ => {}
        }
    }
    let name = |weight: usize| graph.weights[weight].name.clone();
    let tables: Vec<String> = tables.into_iter().map(name).collect();
    let mut names: Vec<String> = linears.into_iter().map(name).filter(|name| !tables.contains(name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The tensors of a safetensors file.
fn read(path: PathBuf) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).expect("a file");
    let header_bytes = u64::from_le_bytes(bytes[..8].try_into().expect("eight")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + header_bytes]).expect("JSON");
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let tensor = |(name, entry): (&String, &Value)| {
        let shape = entry["shape"].as_array().expect("a shape").iter().map(number).collect();
        let [begin, end] = [0, 1].map(|i| 8 + header_bytes + number(&entry["data_offsets"][i]));
        (name.clone(), (shape, floats(&bytes[begin..end])))
    };
    header.as_object().expect("an object").iter().map(tensor).collect()
}

/// The checkpoint with the adapter in its weights.
fn write_merged(arch: &str, tensors: &Tensors, adapter: PathBuf, by_columns: bool) -> PathBuf {
    let adapter = read(adapter.join("adapter_model.safetensors"));
    let folder = std::env::temp_dir()
        .join(format!("doran-adapters-{}", std::process::id()))
        .join(format!("merged-{arch}-{}", tensors.len()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (dtype, shape, bytes)) in tensors {
        let begin = data.len();
        let module = format!("base_model.model.{}", name.trim_end_matches(".weight"));
        match (adapter.get(&format!("{module}.lora_A.weight")), adapter.get(&format!("{module}.lora_B.weight"))) {
            (Some((_, a)), Some((_, b))) => {
                let mut weights = floats(bytes);
                let inputs = if by_columns { shape[0] } else { shape[1] };
                for (i, weight) in weights.iter_mut().enumerate() {
                    let (row, col) = (i / shape[1], i % shape[1]);
                    let (output, input) = if by_columns { (col, row) } else { (row, col) };
                    let product = |r| f64::from(b[output * RANK + r]) * f64::from(a[r * inputs + input]);
                    *weight += SCALING * (0..RANK).map(product).sum::<f64>() as f32;
                }
                data.extend(weights.iter().flat_map(|weight| weight.to_le_bytes()));
            }
            _ => data.extend(bytes),
        }
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()] }));
    }
    let mut header = Value::from(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
    std::fs::write(folder.join("model.safetensors"), file).expect("written");
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(fixture(&format!("arch/{arch}/{name}")), folder.join(name)).expect("copied");
    }
    folder
}

#[test]
fn an_adapter_is_what_it_is_in_the_weights() {
    let options = || EngineOptions { context: Some(64), ..EngineOptions::default() };
    let prompt: Vec<u32> = (3..23).collect();
    for arch in NAMES {
        let tensors = safetensors(arch);
        let base = fixture(&format!("arch/{arch}"));
        let mut engine = load(&base, None, options()).expect("loads");
        let names = linears(&engine);
        assert!(names.len() > 3, "{arch} has {names:?}");
        let by_columns = arch == "gpt2";
        let shapes: Shapes = names
            .iter()
            .flat_map(|name| {
                let shape = &tensors[name].1;
                let (inputs, outputs) =
                    if by_columns && name != "lm_head.weight" { (shape[0], shape[1]) } else { (shape[1], shape[0]) };
                pair(name.trim_end_matches(".weight"), "F32", [RANK, inputs, outputs])
            })
            .collect();
        let folder = write_peft(&format!("all-{arch}"), &json!({ "r": RANK, "fan_in_fan_out": by_columns }), &shapes);
        let mut merged =
            load(&write_merged(arch, &tensors, folder.clone(), by_columns), None, options()).expect("loads");
        let (wanted, _) = logits(&mut merged, &prompt, &[]);
        let (plain, _) = logits(&mut engine, &prompt, &[]);
        let largest = wanted.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
        assert!(max_difference(&plain, &wanted) > 0.05 * largest, "{arch}: the adapter changes nothing");
        let check = |label: &str, mut engine: Engine| {
            let adapter = load_adapter(&engine, &folder).unwrap_or_else(|error| panic!("{arch}, {label}: {error}")).0;
            let (got, _) = logits(&mut engine, &prompt, &uses(&[(&adapter, 1.0)]));
            let error = max_difference(&got, &wanted) / largest;
            println!("{arch}, {label}, {} linears: off by {error:e} of the largest", names.len());
            assert!(error < 1e-4, "{arch}, {label}: logits are off by {error} of the largest");
        };
        check("safetensors", engine);
        check("safetensors on the GPU", load(&base, Some(gpu(GpuOptions::default())), options()).expect("loads"));
        let file = base.join("model-f32.gguf");
        if !file.exists() {
            continue;
        }
        let engine = load(&file, None, options()).expect("loads");
        if REORDERED.contains(&arch) {
            let error = load_adapter(&engine, &folder).err().expect("is refused");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.data()["what"], "an adapter in safetensors for a model in GGUF", "{arch}");
        } else {
            check("GGUF", engine);
        }
    }
}

/// A head that shares the embedding's matrix may have an adapter, which leaves the embedding as it is.
#[test]
fn a_tied_head_is_adapted_apart_from_the_embedding() {
    let mut tensors = safetensors("gpt2");
    let (name, head) = tensors.iter().find(|(name, _)| name.ends_with("wte.weight")).expect("a table");
    let (shape, head) = (head.1.clone(), head.clone());
    assert!(!tensors.contains_key("lm_head.weight"), "{name} is the head's too");
    tensors.insert("lm_head.weight".to_owned(), head);
    let folder = write_peft("tied", &json!({ "r": RANK }), &pair("lm_head", "F32", [RANK, shape[1], shape[0]]));
    let merged = write_merged("gpt2", &tensors, folder.clone(), false);
    let mut config: Value = common::json("arch/gpt2/config.json");
    config["tie_word_embeddings"] = false.into();
    std::fs::write(merged.join("config.json"), config.to_string()).expect("written");
    let prompt: Vec<u32> = (3..23).collect();
    let mut merged = load(&merged, None, EngineOptions::default()).expect("loads");
    let (wanted, _) = logits(&mut merged, &prompt, &[]);
    for file in ["", "model-f32.gguf"] {
        for gpu in [None, Some(gpu(GpuOptions::default()))] {
            let path = fixture(&format!("arch/gpt2/{file}"));
            let mut engine = load(&path, gpu, EngineOptions::default()).expect("loads");
            let adapter = load_adapter(&engine, &folder).expect("loads").0;
            let (plain, _) = logits(&mut engine, &prompt, &[]);
            let (got, _) = logits(&mut engine, &prompt, &uses(&[(&adapter, 1.0)]));
            assert!(max_difference(&plain, &wanted) > 0.1);
            assert!(max_difference(&got, &wanted) < 1e-4, "logits are off by {}", max_difference(&got, &wanted));
        }
    }
}
