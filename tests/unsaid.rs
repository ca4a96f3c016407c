//! Configurations that leave keys out: they mean what transformers says that they mean.

use crate::common::{fixture, json};
use doran::format::TensorInfo;
use doran::format::hf_config::{Folder, checkpoint};
use doran::format::safetensors::{Parsed, parse};
use serde_json::Value;

/// What transformers' versions, or the models' own code, differ in: the tensors tell it.
const BY_TENSORS: &[(&str, &str)] = &[("glm4", "attention_bias"), ("hyperclovax", "use_post_norm")];

/// What follows from other keys where it is not said: the defaults are what follows from theirs.
const DERIVED: &[&str] = &[
    "num_key_value_heads",
    "num_kv_heads",
    "head_dim",
    "attention_multiplier",
    "time_step_rank",
    "attention_hidden_size",
    "intermediate_size",
    "ffn_hidden_size",
    "num_decoder_layers",
    "attention_layers",
    "word_embed_proj_dim",
    "original_max_position_embeddings",
];

/// The tensors of a fixture: a folder of one or more files.
fn tensors(name: &str) -> Vec<TensorInfo> {
    let files = std::fs::read_dir(fixture(&format!("arch/{name}")))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let mut tensors = Vec::new();
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")) {
        let file = std::fs::read(path).expect("a file");
        let Ok(Parsed::Done(more)) = parse(&file, file.len() as u64, 0) else { panic!("{name}: a whole file") };
        tensors.extend(more);
    }
    tensors
}

/// The graph, where answers begin, or why there is none.
fn recorded(config: &Value, tensors: &[TensorInfo]) -> Result<(doran::graph::Graph, Option<u32>), String> {
    let texts = Folder { config: config.to_string(), tokenizer: Some(String::new()), ..Folder::default() };
    let checkpoint = checkpoint(&texts, tensors.to_vec()).map_err(|error| error.to_string())?;
    let (graph, _) = doran::models::record(&checkpoint).map_err(|error| error.to_string())?;
    Ok((graph, checkpoint.generation.decoder_start_token_id))
}

#[test]
fn what_is_left_out_is_what_transformers_takes_it_for() {
    let defaults = json("defaults.json");
    let (mut keys, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(fixture("arch")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        // What transformers does not know itself has no configuration of version 5.
        let path = format!("arch/{name}/config.v5.json");
        if !fixture(&path).exists() {
            continue;
        }
        let config = json(&path);
        let Some(of_type) = defaults[config["model_type"].as_str().expect("a type")].as_object() else { continue };
        let tensors = tensors(&name);
        assert!(recorded(&config, &tensors).is_ok(), "{name}");
        for (key, default) in of_type {
            let by_tensors = BY_TENSORS.iter().any(|(model, by_tensors)| name == *model && key == by_tensors);
            if by_tensors || DERIVED.contains(&key.as_str()) {
                continue;
            }
            let (mut stated, mut unsaid) = (config.clone(), config.clone());
            stated[key] = default.clone();
            unsaid.as_object_mut().expect("an object").shift_remove(key);
            let (stated, unsaid) = (recorded(&stated, &tensors), recorded(&unsaid, &tensors));
            keys += 1;
            // Dimensions are not guessed.
            if unsaid.as_ref().is_err_and(|error| error.contains("the configuration has no")) {
                continue;
            }
            if stated != unsaid {
                let why = |of: &Result<_, String>| of.as_ref().err().cloned().unwrap_or("a graph".into());
                wrong.push(format!("{name}: {key} = {default}: {} / {}", why(&stated), why(&unsaid)));
            }
        }
    }
    assert!(keys > 500, "{keys} keys");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
