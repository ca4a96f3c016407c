//! Model files: what is read from good ones, and that bad ones end in errors.

use crate::files::{bytes, json, parse_gguf, parse_gguf_model, text};
use doran::ErrorKind;
use doran::format::gguf::{self, Parsed};
use doran::format::hf_config::{self, Folder};
use doran::format::safetensors;
use doran::format::{RowMap, TokenizerSource};
use doran::quant::Format;
use doran::tokenizer::Tokenizer;
use serde_json::{Value, json};

/// How a malformed GGUF file ends. The model file's own checks (shapes, missing tensors) come later than these.
fn verdict(file: &[u8]) -> Result<(), ErrorKind> {
    let checkpoint = parse_gguf(file).map_err(|e| e.kind())?;
    Tokenizer::new(&checkpoint.tokenizer).map_err(|e| e.kind())?;
    Ok(())
}

#[test]
fn malformed_gguf_files_end_as_their_index_says() {
    let index = json("bad/index.json");
    let mut seen = 0;
    for case in index["cases"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        if !name.ends_with(".gguf") {
            continue;
        }
        seen += 1;
        let got = verdict(&bytes(&format!("bad/{name}")));
        let expect = match name {
            // Well-formed: the shapes a model needs are checked against its config, where the model is built.
            "missing_tensor.gguf" | "shape_transposed.gguf" => Ok(()),
            "quant_type_unknown.gguf" | "arch_unknown.gguf" | "array_nested_deep.gguf" => Err(ErrorKind::Unsupported),
            "extra_tensor.gguf" | "key_invalid_utf8.gguf" => Err(ErrorKind::BadFile),
            "tokenizer_bos_out_of_range.gguf" | "tokenizer_dup_tokens.gguf" | "tpl_not_string.gguf" => Ok(()),
            _ if case["expect"] == "reject" => Err(ErrorKind::BadFile),
            _ => Ok(()),
        };
        assert_eq!(got, expect, "{name}: {}", case["description"]);
    }
    assert_eq!(seen, 41);
}

#[test]
fn errors_name_what_is_wrong() {
    let say = |name: &str| parse_gguf(&bytes(name)).unwrap_err().message().to_owned();
    assert!(say("bad/hparam_wrong_type.gguf").contains("llama.block_count"));
    assert!(say("bad/hparam_missing.gguf").contains("llama.embedding_length"));
    assert!(say("bad/hparam_heads_0.gguf").contains("llama.attention.head_count"));
    assert!(say("bad/arch_unknown.gguf").contains("foobar9000"));
    let unknown = parse_gguf(&bytes("bad/quant_type_unknown.gguf")).unwrap_err();
    assert_eq!(unknown.data()["tensor"], "blk.0.attn_q.weight");
    assert!(unknown.message().contains("999"));
}

#[test]
fn unknown_quantisation_is_named_by_its_ggml_name() {
    let mut file = bytes("bad/control_ok.gguf");
    // The type of blk.0.attn_q.weight, F16 (1), becomes another: name, 4 bytes of count, two dimensions, then the type.
    let name = b"blk.0.attn_q.weight";
    let at = file.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4 + 16;
    assert_eq!(file[at..at + 4], [1, 0, 0, 0]);
    for (ggml_type, name) in [
        (15, "Q8_K"),
        (16, "IQ2_XXS"),
        (17, "IQ2_XS"),
        (18, "IQ3_XXS"),
        (19, "IQ1_S"),
        (21, "IQ3_S"),
        (22, "IQ2_S"),
        (29, "IQ1_M"),
        (40, "NVFP4"),
    ] {
        file[at] = ggml_type;
        let error = parse_gguf(&file).unwrap_err();
        assert_eq!((error.kind(), error.data()["what"].as_str()), (ErrorKind::Unsupported, Some(name)));
        assert_eq!(error.data()["tensor"], "blk.0.attn_q.weight");
    }
}

/// The keys of Hugging Face's config that GGUF carries must come out as Hugging Face wrote them.
#[test]
fn gguf_config_equals_the_checkpoint_it_was_converted_from() {
    for (arch, file) in [
        ("llama", "model-f32.gguf"),
        ("llama3", "model-f32.gguf"),
        ("llama_bf16", "model-bf16.gguf"),
        ("mistral", "model-f32.gguf"),
    ] {
        let checkpoint = parse_gguf(&bytes(&format!("arch/{arch}/{file}"))).unwrap();
        let config = json(&format!("arch/{arch}/config.json"));
        assert_eq!(checkpoint.model_type, "llama", "{arch}: GGUF calls Mistral llama too");
        for key in [
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "rms_norm_eps",
            "rope_theta",
            "max_position_embeddings",
            "vocab_size",
            "hidden_act",
            "tie_word_embeddings",
        ] {
            assert_eq!(checkpoint.config.get(key), config.get(key), "{arch}: {key}");
        }
        assert_eq!(checkpoint.config.get("partial_rotary_factor"), None, "{arch}");
        assert_eq!(checkpoint.generation.bos_token_id.map(Value::from), config.get("bos_token_id").cloned(), "{arch}");
        let eos = config["eos_token_id"].as_u64().unwrap() as u32;
        assert!(checkpoint.generation.eos_token_ids.contains(&eos), "{arch}");
    }
}

#[test]
fn gguf_rope_scaling_becomes_hugging_faces() {
    let scaling = |name: &str| parse_gguf(&bytes(name)).unwrap().config.get("rope_scaling").cloned();
    assert_eq!(scaling("arch/llama_bf16/model-bf16.gguf"), Some(json!({ "rope_type": "linear", "factor": 4.0 })));
    assert_eq!(scaling("arch/llama/model-f32.gguf"), None);
    // Llama 3's scaling is a tensor in GGUF.
    assert_eq!(scaling("arch/llama3/model-f32.gguf"), None);
    let llama3 = parse_gguf(&bytes("arch/llama3/model-f32.gguf")).unwrap();
    assert_eq!(llama3.tensor("rope_freqs.weight").unwrap().shape, [4]);
}

#[test]
fn gguf_tensors_get_names_shapes_and_row_maps() {
    let file = bytes("arch/llama3/model-f32.gguf");
    let Parsed::Done { checkpoint, data_start } = gguf::parse(&file, file.len() as u64).unwrap() else {
        panic!("the whole file is there")
    };
    assert_eq!(data_start, 10_560);
    assert_eq!(checkpoint.tensors.len(), 31);
    let tensor = |name: &str| checkpoint.tensor(name).unwrap_or_else(|| panic!("{name} is missing"));
    let k = tensor("model.layers.2.self_attn.k_proj.weight");
    assert_eq!((k.shape.as_slice(), k.format, k.n_bytes), ([16, 32].as_slice(), Format::F32, 16 * 32 * 4));
    assert_eq!(k.row_map, RowMap::RopeInterleaved { head_dim: 8 });
    assert_eq!(tensor("model.layers.0.self_attn.v_proj.weight").row_map, RowMap::Identity);
    assert_eq!(tensor("model.layers.1.mlp.down_proj.weight").shape, [32, 60]);
    assert_eq!(tensor("model.layers.1.post_attention_layernorm.weight").shape, [32]);
    assert_eq!(tensor("lm_head.weight").offset, data_start + 32);
    assert_eq!(checkpoint.name.as_deref(), Some("oracle zoo llama3"));
}

/// The same weights stand in the GGUF and in the safetensors file: bytes at the stated offsets must agree.
#[test]
fn gguf_offsets_point_at_the_weights() {
    let gguf = bytes("arch/llama3/model-f32.gguf");
    let checkpoint = parse_gguf(&gguf).unwrap();
    let norm = checkpoint.tensor("model.layers.1.input_layernorm.weight").unwrap();
    let stored = &gguf[norm.offset as usize..(norm.offset + norm.n_bytes) as usize];
    let safetensors = bytes("arch/llama3/model.safetensors");
    let header_bytes = u64::from_le_bytes(safetensors[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&safetensors[8..8 + header_bytes]).unwrap();
    let offsets = &header["model.layers.1.input_layernorm.weight"]["data_offsets"];
    let at = |i: usize| 8 + header_bytes + offsets[i].as_u64().unwrap() as usize;
    assert_eq!(stored, &safetensors[at(0)..at(1)]);
}

#[test]
fn a_header_is_read_from_growing_prefixes() {
    let file = bytes("arch/llama/model-f32.gguf");
    let file_bytes = file.len() as u64;
    let mut prefix_bytes = 0;
    let mut requests = 0;
    loop {
        match gguf::parse(&file[..prefix_bytes], file_bytes).unwrap() {
            Parsed::Done { .. } => break,
            Parsed::NeedBytes(n) => {
                assert!(n > prefix_bytes as u64 && n <= file_bytes);
                prefix_bytes = n as usize;
                requests += 1;
            }
        }
    }
    assert!(requests <= 4, "{requests} requests for a header of 11 kB");
    // No prefix is an error, and each asks for more.
    for prefix_bytes in (0..11_071).step_by(7) {
        assert!(
            matches!(gguf::parse(&file[..prefix_bytes], file_bytes), Ok(Parsed::NeedBytes(n)) if n > prefix_bytes as u64)
        );
    }
}

#[test]
fn smollm2_is_read() {
    let (checkpoint, read_bytes) = parse_gguf_model("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(read_bytes < 4 << 20, "{read_bytes} bytes read for a header of 1.8 MB");
    let config = &checkpoint.config;
    assert_eq!(config["hidden_size"], 576);
    assert_eq!(config["num_key_value_heads"], 3);
    assert_eq!(config["head_dim"], 64);
    assert_eq!(config["rope_theta"], 100_000.0);
    assert_eq!(config["rms_norm_eps"], 1e-5);
    assert_eq!(config["tie_word_embeddings"], true);
    assert_eq!(checkpoint.tensors.len(), 272);
    assert_eq!(checkpoint.tensor("model.embed_tokens.weight").unwrap().format, Format::Q8_0);
    assert_eq!(checkpoint.generation.bos_token_id, Some(1));
    for id in [0, 2] {
        assert!(checkpoint.generation.eos_token_ids.contains(&id));
    }
    assert!(matches!(checkpoint.tokenizer, TokenizerSource::Vocabulary(_)));
    let golden = json("real/smollm2-135m-instruct-q4_1.json");
    assert_eq!(checkpoint.chat_template.as_deref(), golden["chat_template"].as_str());
}

#[test]
fn malformed_safetensors_files_end_as_their_index_says() {
    let mut seen = 0;
    for case in json("bad/index.json")["cases"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        if !name.ends_with(".safetensors") {
            continue;
        }
        seen += 1;
        let file = bytes(&format!("bad/{name}"));
        let got = safetensors::parse(&file, file.len() as u64, 0);
        match case["expect"].as_str() {
            Some("accept") => match got.unwrap() {
                safetensors::Parsed::Done(tensors) => assert_eq!(tensors.len(), 2),
                more => panic!("{name}: {more:?}"),
            },
            // Its dtype, of the wrong size, is also one that is not read, which is found first.
            _ if name == "st_wrong_dtype_size.safetensors" => {
                assert_eq!(got.unwrap_err().kind(), ErrorKind::Unsupported);
            }
            _ => assert_eq!(got.unwrap_err().kind(), ErrorKind::BadFile, "{name}: {}", case["description"]),
        }
    }
    assert_eq!(seen, 11);
}

fn safetensors_file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.resize(file.len() + data_bytes, 0);
    file
}

#[test]
fn safetensors_rules_are_kept() {
    let kind = |header: &str, data_bytes: usize| {
        let file = safetensors_file(header, data_bytes);
        safetensors::parse(&file, file.len() as u64, 0).map(|_| ()).map_err(|e| e.kind())
    };
    assert_eq!(kind(r#"{"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}}"#, 12), Ok(()));
    assert_eq!(kind(r#"{"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}"#, 2), Ok(()));
    assert_eq!(kind("{}", 0), Ok(()));
    let bad = Err(ErrorKind::BadFile);
    assert_eq!(kind("{}", 1), bad, "data that no tensor covers");
    assert_eq!(kind(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8), bad, "a gap");
    assert_eq!(kind(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#, 8), bad, "backwards");
    let twice = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    assert_eq!(kind(twice, 8), bad, "one name twice");
    assert_eq!(kind(r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, 8), Err(ErrorKind::Unsupported));
    assert_eq!(kind("[]", 0), bad);
    assert_eq!(kind(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4), bad);
    // What older files keep beside the weights is passed over, and counted.
    let count = |end: u64| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"embeddings.position_ids":{{"dtype":"I64","shape":[1,2],"data_offsets":[4,{end}]}}}}"#
        )
    };
    assert_eq!(kind(&count(20), 20), Ok(()));
    assert_eq!(kind(&count(12), 12), bad, "two counts take sixteen bytes");
}

#[test]
fn safetensors_headers_are_read_from_growing_prefixes() {
    let file = bytes("arch/llama_bf16/model.safetensors");
    let file_bytes = file.len() as u64;
    let safetensors::Parsed::NeedBytes(first) = safetensors::parse(&[], file_bytes, 3).unwrap() else {
        panic!("nothing was read yet")
    };
    assert_eq!(first, 64 << 10);
    let safetensors::Parsed::NeedBytes(header) = safetensors::parse(&file[..100], file_bytes, 3).unwrap() else {
        panic!("the header is longer than that")
    };
    let safetensors::Parsed::Done(tensors) = safetensors::parse(&file[..header as usize], file_bytes, 3).unwrap()
    else {
        panic!("the header is whole")
    };
    assert!(tensors.iter().all(|t| t.format == Format::BF16 && t.file == 3 && t.row_map == RowMap::Identity));
    assert_eq!(tensors.len(), 30);
}

fn folder(arch: &str, config: &str) -> Folder {
    Folder {
        config: text(&format!("arch/{arch}/{config}")),
        tokenizer: Some(text(&format!("arch/{arch}/tokenizer.json"))),
        tokenizer_config: Some(text(&format!("arch/{arch}/tokenizer_config.json"))),
        ..Folder::default()
    }
}

/// Whichever version of transformers wrote a configuration, the model is the same.
#[test]
fn both_spellings_of_config_json_give_the_same_graph() {
    let mut n_compared = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/arch")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("config.v5.json").exists() || !folder.join("model.safetensors").exists() {
            continue;
        }
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let weights = read("model.safetensors");
        let record = |config: &str| {
            let safetensors::Parsed::Done(tensors) = safetensors::parse(&weights, weights.len() as u64, 0).unwrap()
            else {
                panic!("the whole file is there")
            };
            let config = String::from_utf8(read(config)).unwrap();
            let texts = Folder { config, tokenizer: Some(String::new()), ..Folder::default() };
            doran::models::record(&hf_config::checkpoint(&texts, tensors).unwrap())
        };
        let (four, five) = (record("config.json").unwrap(), record("config.v5.json").unwrap());
        assert_eq!(four.1, five.1, "{}", folder.display());
        assert!(four.0 == five.0, "{}", folder.display());
        n_compared += 1;
    }
    assert!(n_compared > 30, "{n_compared} folders");
}

/// Any value under any key of any architecture's configuration gives a graph or a typed error.
#[test]
fn no_configuration_makes_a_model_file_panic() {
    let values =
        [json!(0), json!(1), json!(3), json!(-1), json!(u32::MAX), json!(0.3), json!("x"), json!([]), Value::Null];
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/arch")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(weights) = std::fs::read(folder.join("model.safetensors")) else { continue };
        let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
        for (key, value) in config.as_object().unwrap().keys().flat_map(|key| values.iter().map(move |v| (key, v))) {
            let safetensors::Parsed::Done(tensors) = safetensors::parse(&weights, weights.len() as u64, 0).unwrap()
            else {
                panic!("the whole file is there")
            };
            let mut changed = config.clone();
            changed[key] = value.clone();
            let tokenizer = Some(String::new());
            let texts = Folder { config: changed.to_string(), tokenizer, ..Folder::default() };
            let result =
                hf_config::checkpoint(&texts, tensors).and_then(|checkpoint| doran::models::record(&checkpoint));
            if let Err(error) = result {
                let kind = error.kind();
                let typed = matches!(kind, ErrorKind::BadFile | ErrorKind::Unsupported);
                assert!(typed, "{}: {key} = {value}: {error}", folder.display());
            }
        }
    }
}

/// transformers 4 and 5 spell one model differently; a checkpoint does not.
#[test]
fn both_spellings_of_config_json_give_the_same_keys() {
    for arch in ["llama", "llama3", "llama_bf16", "mistral", "solar", "hyperclovax_seed"] {
        let (four, five) = (folder(arch, "config.json"), folder(arch, "config.v5.json"));
        let mut four = hf_config::checkpoint(&four, Vec::new()).unwrap();
        let mut five = hf_config::checkpoint(&five, Vec::new()).unwrap();
        assert_eq!(four.generation, five.generation);
        assert_eq!(four.generation.eos_token_ids.len(), 1);
        assert_eq!(four.model_type, five.model_type);
        assert_eq!(four.chat_template.is_some(), matches!(arch, "llama3" | "llama_bf16" | "hyperclovax_seed"));
        for checkpoint in [&mut four, &mut five] {
            checkpoint.config.remove("transformers_version");
            assert!(!checkpoint.config.contains_key("rope_parameters"));
            assert!(checkpoint.config["rope_theta"].is_f64(), "{arch}");
            let mut keys: Vec<_> = std::mem::take(&mut checkpoint.config).into_iter().collect();
            keys.sort_by(|a, b| a.0.cmp(&b.0));
            checkpoint.config.extend(keys);
        }
        assert_eq!(Value::from(four.config), Value::from(five.config), "{arch}");
    }
    let llama3 = hf_config::config(&text("arch/llama3/config.v5.json")).unwrap();
    assert_eq!(llama3["rope_scaling"], json("arch/llama3/config.json")["rope_scaling"]);
}

#[test]
fn malformed_configs_end_as_their_index_says() {
    let kind =
        |name: &str| hf_config::config(&text(&format!("bad/{name}.config.json"))).map(|_| ()).map_err(|e| e.kind());
    assert_eq!(kind("control_ok"), Ok(()));
    assert_eq!(kind("cfg_heads_0"), Err(ErrorKind::BadFile));
    assert_eq!(kind("cfg_strings"), Err(ErrorKind::BadFile));
    assert_eq!(kind("cfg_unknown_rope"), Err(ErrorKind::Unsupported));
    let strings = hf_config::config(&text("bad/cfg_strings.config.json")).unwrap_err();
    assert_eq!(strings.data()["key"], "hidden_size");
    let say = |rope: &str| {
        let config = text("bad/control_ok.config.json").replacen('{', &format!("{{ {rope},"), 1);
        hf_config::config(&config).map_err(|e| e.kind())
    };
    let older = say(r#""rope_scaling": {"type": "su", "long_factor": [1.0]}"#).unwrap();
    assert_eq!(older["rope_scaling"], json!({ "rope_type": "longrope", "long_factor": [1.0] }));
    assert_eq!(say(r#""rope_scaling": {"type": "linear"}"#), Err(ErrorKind::BadFile), "no factor");
    assert_eq!(say(r#""rope_scaling": {"type": "linear", "factor": 0}"#), Err(ErrorKind::BadFile));
    assert_eq!(say(r#""rope_parameters": 7"#), Err(ErrorKind::BadFile));
    assert_eq!(say(r#""rope_parameters": {"rope_type": "wormhole"}"#), Err(ErrorKind::Unsupported));
    assert_eq!(
        say(r#""rope_parameters": {"full_attention": {"rope_type": "wormhole"}}"#),
        Err(ErrorKind::Unsupported),
        "a rope for each kind of layer"
    );
}

#[test]
fn shard_indexes_name_files_beside_them_only() {
    let kind = |text: &str| hf_config::shard_index(text).map(|_| ()).map_err(|e| e.kind());
    assert_eq!(kind(&text("bad/idx_path_traversal.index.json")), Err(ErrorKind::BadFile));
    for file in [
        "../a.safetensors",
        "a/b.safetensors",
        "/a.safetensors",
        "a\\b.safetensors",
        ".safetensors",
        "a.bin",
        "http:a.safetensors",
        "a?b.safetensors",
        "",
    ] {
        let index = json!({ "weight_map": { "w": file } }).to_string();
        assert_eq!(kind(&index), Err(ErrorKind::BadFile), "{file}");
    }
    let index = hf_config::shard_index(
        r#"{"metadata": {}, "weight_map": {"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.safetensors"}}"#,
    )
    .unwrap();
    assert_eq!(index.files, ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert_eq!((index.file_of["a"], index.file_of["b"], index.file_of["c"]), (0, 1, 1));
}

/// A metadata value as GGUF stores it.
enum Kv<'a> {
    U32(u32),
    F32(f32),
    Str(&'a str),
}

/// `bad/control_ok.gguf` with more metadata at its start.
fn control_with(pairs: &[(&str, Kv<'_>)]) -> Vec<u8> {
    let control = bytes("bad/control_ok.gguf");
    // Its header ends at byte 8262, its data starts at 8288.
    let (header, data) = (&control[..8262], &control[8288..]);
    let mut file = header[..16].to_vec();
    let n_values = u64::from_le_bytes(header[16..24].try_into().unwrap()) + pairs.len() as u64;
    file.extend(n_values.to_le_bytes());
    let string = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    for (key, value) in pairs {
        string(&mut file, key);
        match value {
            Kv::U32(n) => file.extend([4u32.to_le_bytes(), n.to_le_bytes()].concat()),
            Kv::F32(x) => file.extend([6u32.to_le_bytes(), x.to_le_bytes()].concat()),
            Kv::Str(text) => {
                file.extend(8u32.to_le_bytes());
                string(&mut file, text);
            }
        }
    }
    file.extend(&header[24..]);
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

#[test]
fn variants_of_llama_are_translated_or_refused() {
    let read = |pairs: &[(&str, Kv<'_>)]| parse_gguf(&control_with(pairs));
    let kind = |pairs: &[(&str, Kv<'_>)]| read(pairs).map(|_| ()).map_err(|e| e.kind());
    assert_eq!(kind(&[]), Ok(()));

    let yarn = read(&[
        ("llama.rope.scaling.type", Kv::Str("yarn")),
        ("llama.rope.scaling.factor", Kv::F32(4.0)),
        ("llama.rope.scaling.original_context_length", Kv::U32(16)),
        ("llama.rope.scaling.attn_factor", Kv::F32(1.0)),
    ]);
    let scaling = &yarn.unwrap().config["rope_scaling"];
    assert_eq!(scaling["rope_type"], "yarn");
    assert_eq!(scaling["original_max_position_embeddings"], 16);
    // transformers' own default for this factor: 0.1 ln(4) + 1 (`modeling_rope_utils.py`, `get_mscale`).
    assert!((scaling["attention_factor"].as_f64().unwrap() - 1.138_629_436_1).abs() < 1e-9);

    let (bad, unsupported) = (Err(ErrorKind::BadFile), Err(ErrorKind::Unsupported));
    assert_eq!(kind(&[("llama.rope.scaling.type", Kv::Str("wormhole"))]), unsupported);
    assert_eq!(kind(&[("llama.rope.scaling.type", Kv::Str("none"))]), Ok(()));
    assert_eq!(kind(&[("llama.rope.scaling.type", Kv::Str("linear"))]), bad, "no factor");
    assert_eq!(kind(&[("llama.rope.scale_linear", Kv::F32(f32::NAN))]), bad);
    assert_eq!(kind(&[("llama.expert_count", Kv::U32(8))]), bad, "a Mixtral has no plain MLP");
    assert_eq!(kind(&[("llama.expert_count", Kv::U32(0))]), Ok(()));
    assert_eq!(kind(&[("llama.attention.key_length", Kv::U32(0))]), bad);
    assert_eq!(kind(&[("llama.attention.value_length", Kv::U32(4))]), unsupported);
    assert_eq!(kind(&[("split.count", Kv::U32(3))]), bad, "two more files belong to it");
    assert_eq!(kind(&[("general.type", Kv::Str("adapter"))]), unsupported);
    assert_eq!(kind(&[("tokenizer.ggml.eot_token_id", Kv::U32(u32::MAX))]), Ok(()), "an id out of range is left out");
    // A head of 16, of which the file's 8 turn.
    let partial = read(&[("llama.attention.key_length", Kv::U32(16))]).unwrap();
    assert_eq!(partial.config["head_dim"], 16);
    assert_eq!(partial.config["partial_rotary_factor"], 0.5);
    let eot = read(&[("tokenizer.ggml.eot_token_id", Kv::U32(9))]).unwrap();
    assert_eq!(eot.generation.eos_token_ids, [2, 9]);
}
