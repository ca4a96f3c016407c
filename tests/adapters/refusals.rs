//! Adapters that do not fit the model, or ask for what is not applied: typed errors that name what, and an engine that goes on.

use std::path::{Path, PathBuf};

use doran::ErrorKind;
use doran::engine::{Engine, EngineOptions};
use doran::format::gguf::adapter::{AdaptedModel, ParsedAdapter, parse_adapter};
use doran::gpu::device::GpuOptions;
use serde_json::{Value, json};

use super::{Shapes, adapter, load_adapter, pair, write_peft};
use crate::common::{fixture, gpu, load};

fn llama() -> Engine {
    load(&fixture("arch/llama/model-f32.gguf"), None, EngineOptions::default()).expect("loads")
}

/// The kind of an error, and what it names.
fn refused(engine: &Engine, path: &Path) -> (ErrorKind, String) {
    let error = load_adapter(engine, path).err().unwrap_or_else(|| panic!("{} is loaded", path.display()));
    println!("{error}");
    let named = ["tensor", "what", "key"].iter().find_map(|key| error.data().get(*key)?.as_str());
    (error.kind(), named.unwrap_or_default().to_owned())
}

const Q: &str = "model.layers.0.self_attn.q_proj";

fn q() -> Shapes {
    pair(Q, "F32", [4, 32, 32])
}

#[test]
fn adapters_of_other_models_are_refused() {
    let gpu = gpu(GpuOptions::default());
    let phi3 = load(&fixture("arch/phi3/model-f32.gguf"), Some(gpu.clone()), EngineOptions::default()).expect("loads");
    let before = gpu.counts().gpu_bytes;
    let (kind, what) = refused(&phi3, &fixture("adapters/llama/plain.gguf"));
    assert_eq!((kind, what.as_str()), (ErrorKind::LoraMismatch, "architecture llama"));
    // Phi-3 has q, k and v in one tensor.
    let (kind, tensor) = refused(&phi3, &fixture("adapters/llama/plain"));
    assert_eq!((kind, tensor.ends_with("_proj")), (ErrorKind::LoraMismatch, true));
    assert_eq!(gpu.counts().gpu_bytes, before);
    adapter(&phi3, "phi3/fused");

    let llama = llama();
    for (name, tensors) in [
        ("inputs", pair(Q, "F32", [4, 31, 32])),
        ("outputs", pair(Q, "F32", [4, 32, 33])),
        ("layer", pair("model.layers.3.self_attn.q_proj", "F32", [4, 32, 32])),
        ("module", pair("model.layers.0.self_attn.qkv", "F32", [4, 32, 32])),
    ] {
        let (kind, tensor) = refused(&llama, &write_peft(name, &json!({}), &tensors));
        assert_eq!((kind, tensor.starts_with("model.layers.")), (ErrorKind::LoraMismatch, true), "{name}");
    }
    // A head with more rows: the vocabulary was another one.
    let mut tensors = q();
    tensors.push(("base_model.model.lm_head.base_layer.weight".to_owned(), "F32", vec![390, 32]));
    let (kind, tensor) = refused(&llama, &write_peft("vocabulary", &json!({}), &tensors));
    assert_eq!((kind, tensor.as_str()), (ErrorKind::LoraMismatch, "lm_head"));
    tensors[2].2[0] = 389;
    load_adapter(&llama, &write_peft("repeated", &json!({}), &tensors))
        .expect("a head that is repeated changes nothing");
}

#[test]
fn what_is_not_applied_is_named() {
    let engine = llama();
    let cases: &[(Value, &str)] = &[
        (json!({ "use_dora": true }), "use_dora"),
        (json!({ "modules_to_save": ["lm_head"] }), "modules_to_save"),
        (json!({ "bias": "all" }), "bias all"),
        (json!({ "lora_bias": true }), "lora_bias"),
        (json!({ "peft_type": "IA3" }), "peft_type IA3"),
        (json!({ "peft_type": null }), "peft_type unnamed"),
        (json!({ "init_lora_weights": "pissa" }), "init_lora_weights pissa"),
        (json!({ "target_parameters": ["experts"] }), "target_parameters"),
        (json!({ "layer_replication": [[0, 1], [0, 1]] }), "layer_replication"),
        (json!({ "trainable_token_indices": [1, 2] }), "trainable_token_indices"),
        (json!({ "alpha_pattern": { "layers.[01].q_proj": 2 } }), "alpha_pattern layers.[01].q_proj"),
        (json!({ "a_method_of_tomorrow": { "on": true } }), "a_method_of_tomorrow"),
    ];
    for (i, (changes, wanted)) in cases.iter().enumerate() {
        let (kind, what) = refused(&engine, &write_peft(&format!("option-{i}"), changes, &q()));
        assert_eq!((kind, what.as_str()), (ErrorKind::Unsupported, *wanted));
    }
    let with = |name: &str, shape: &[usize]| {
        let mut tensors = q();
        tensors.push((name.to_owned(), "F32", shape.to_vec()));
        tensors
    };
    let embedding = "base_model.model.model.embed_tokens";
    for (i, (tensors, wanted)) in [
        (with(&format!("{embedding}.lora_embedding_A"), &[4, 389]), format!("{embedding}.lora_embedding_A")),
        (
            with(&format!("base_model.model.{Q}.lora_magnitude_vector"), &[32]),
            format!("base_model.model.{Q}.lora_magnitude_vector"),
        ),
        (with("base_model.model.lm_head.weight", &[389, 32]), "base_model.model.lm_head.weight".to_owned()),
        (with(&format!("base_model.model.{Q}.lora_B.bias"), &[32]), format!("base_model.model.{Q}.lora_B.bias")),
        (pair("model.embed_tokens", "F32", [4, 32, 389]), "model.embed_tokens".to_owned()),
        (pair("model.norm", "F32", [4, 32, 1]), "model.norm".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let (kind, tensor) = refused(&engine, &write_peft(&format!("tensor-{i}"), &json!({}), &tensors));
        assert_eq!((kind, tensor), (ErrorKind::Unsupported, wanted));
    }
}

#[test]
fn files_that_contradict_themselves_are_refused() {
    let engine = llama();
    for (name, changes, tensors, wanted) in [
        ("flag", json!({ "use_rslora": "yes" }), q(), "use_rslora"),
        ("alpha", json!({ "lora_alpha": "8" }), q(), "lora_alpha"),
        ("pattern", json!({ "alpha_pattern": [] }), q(), "alpha_pattern"),
        ("half", json!({}), q()[..1].to_vec(), "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"),
        ("none", json!({}), vec![("base_model.model.lm_head.base_layer.weight".to_owned(), "F32", vec![389, 32])], ""),
        (
            "ranks",
            json!({}),
            [&pair(Q, "F32", [4, 32, 32])[..1], &pair(Q, "F32", [5, 32, 32])[1..]].concat(),
            "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight",
        ),
        ("twice", json!({}), [q(), pair("layers.0.self_attn.q_proj", "F32", [4, 32, 32])].concat(), Q),
    ] {
        let (kind, key) = refused(&engine, &write_peft(name, &changes, &tensors));
        assert_eq!((kind, key.as_str()), (ErrorKind::BadFile, wanted), "{name}");
    }
    // A whole model is no adapter, nor an adapter a model.
    assert_eq!(
        refused(&engine, &fixture("arch/llama/model-f32.gguf")),
        (ErrorKind::Unsupported, "GGUF type model".into())
    );
    let error = load(&fixture("adapters/llama/plain.gguf"), None, EngineOptions::default()).err().expect("is no model");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let folder = write_peft("pickled", &json!({}), &q());
    let files = vec![folder.join("adapter_config.json")];
    let paths = ["adapter_config.json".to_owned()];
    let error =
        super::load_files(&engine, files, &paths, &doran::weights::Cancel::new()).err().expect("has no tensors");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn models_that_read_texts_take_no_adapters() {
    for model in ["bert", "t5"] {
        let path: PathBuf = fixture(&format!("arch/{model}"));
        let engine = load(&path, None, EngineOptions::default()).expect("loads");
        let (kind, what) = refused(&engine, &fixture("adapters/llama/plain"));
        assert_eq!((kind, what.as_str()), (ErrorKind::Unsupported, "an adapter for an encoder"));
    }
}

#[test]
fn mutated_adapters_never_panic() {
    let file = std::fs::read(fixture("adapters/llama/plain.gguf")).expect("a fixture");
    let model = AdaptedModel { model_type: "llama".to_owned(), head_dim: Some(8) };
    let parse = |bytes: &[u8]| parse_adapter(bytes, bytes.len() as u64, &model);
    let ParsedAdapter::Done(adapter) = parse(&file).expect("parses") else { panic!("the whole file is there") };
    let header_bytes = adapter.tensors.iter().map(|tensor| tensor.offset).min().expect("tensors") as usize;
    let (mut state, mut refused) = (1u64, 0);
    for _ in 0..20_000 {
        let mut bytes = file.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % header_bytes;
            bytes[at] = (state >> 25) as u8;
        }
        refused += usize::from(parse(&bytes).is_err());
    }
    assert!(refused > 5_000, "{refused} of the mutated headers were refused");
    // The tensors begin at a multiple of 32 behind it.
    for n in 0..header_bytes - 32 {
        assert!(
            !matches!(parse_adapter(&file[..n], file.len() as u64, &model), Ok(ParsedAdapter::Done(_))),
            "{n} bytes are no header"
        );
    }
}
