//! Encoders and models that answer, of dimensions that nothing divides and with switches that no golden has: every family of
//! kernels against the references. Weights are random, and written as a Hugging Face folder would have them.

use std::path::PathBuf;

use crate::common::{fixture, gpu, load, max_difference};
use doran::engine::{Engine, EngineOptions};
use doran::generate::{GenerateOptions, Generation, Input, Item};
use doran::gpu::device::GpuOptions;
use doran::sampler::SamplerOptions;
use doran::tune::Kernels;
use doran::weights::Cancel;
use serde_json::{Value, json};

/// Relative to the largest value; T5's scores are not scaled, and noise in them grows.
const TOLERANCE: f32 = 3e-5;
const CONTEXT: u32 = 80;

/// Names and shapes of a checkpoint's tensors.
#[derive(Default)]
struct Tensors(Vec<(String, Vec<usize>)>);

impl Tensors {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push((format!("{name}.weight"), shape.to_vec()));
    }

    fn with_bias(&mut self, name: &str, shape: &[usize]) {
        self.add(name, shape);
        self.0.push((format!("{name}.bias"), vec![shape[0]]));
    }

    /// Writes the folder; gives where it is.
    fn write(self, name: &str, config: &Value) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("doran-odd-dims-{}", std::process::id())).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        let mut state = name.len() as u64;
        for (tensor, shape) in self.0 {
            let begin = data.len();
            let centre = if tensor.to_lowercase().contains("norm.weight") { 1.0 } else { 0.0 };
            for _ in 0..shape.iter().product::<usize>() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let unit = (state >> 40) as f32 / 8_388_608.0 - 1.0;
                data.extend((centre + 0.4 * unit).to_le_bytes());
            }
            header.insert(tensor, json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] }));
        }
        let header = Value::from(header).to_string();
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
        std::fs::write(folder.join("model.safetensors"), file).expect("written");
        std::fs::write(folder.join("config.json"), config.to_string()).expect("written");
        std::fs::copy(fixture("arch/t5/tokenizer.json"), folder.join("tokenizer.json")).expect("copied");
        folder
    }
}

fn bert(name: &str, root: &str, config: Value) -> PathBuf {
    let size = |key: &str| config[key].as_u64().expect(key) as usize;
    let (hidden, inner) = (size("hidden_size"), size("intermediate_size"));
    let mut tensors = Tensors::default();
    for (table, rows) in
        [("word", "vocab_size"), ("position", "max_position_embeddings"), ("token_type", "type_vocab_size")]
    {
        tensors.add(&format!("{root}embeddings.{table}_embeddings"), &[size(rows), hidden]);
    }
    tensors.with_bias(&format!("{root}embeddings.LayerNorm"), &[hidden]);
    for layer in 0..size("num_hidden_layers") {
        let name = |module: &str| format!("{root}encoder.layer.{layer}.{module}");
        for module in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"] {
            tensors.with_bias(&name(module), &[hidden, hidden]);
        }
        tensors.with_bias(&name("intermediate.dense"), &[inner, hidden]);
        tensors.with_bias(&name("output.dense"), &[hidden, inner]);
        tensors.with_bias(&name("attention.output.LayerNorm"), &[hidden]);
        tensors.with_bias(&name("output.LayerNorm"), &[hidden]);
    }
    tensors.write(name, &config)
}

fn t5(name: &str, has_head: bool, config: Value) -> PathBuf {
    let size = |key: &str| config[key].as_u64().expect(key) as usize;
    let (hidden, inner, width) = (size("d_model"), size("d_ff"), size("d_kv") * size("num_heads"));
    let gated = config["feed_forward_proj"].as_str().expect("a name").starts_with("gated");
    let mut tensors = Tensors::default();
    tensors.add("shared", &[size("vocab_size"), hidden]);
    for (half, layers) in [("encoder", "num_layers"), ("decoder", "num_decoder_layers")] {
        let buckets = format!("{half}.block.0.layer.0.SelfAttention.relative_attention_bias");
        tensors.add(&buckets, &[size("relative_attention_num_buckets"), size("num_heads")]);
        for layer in 0..size(layers) {
            let attentions =
                if half == "encoder" { &["SelfAttention"][..] } else { &["SelfAttention", "EncDecAttention"] };
            for (i, attention) in attentions.iter().enumerate() {
                let name = |module: &str| format!("{half}.block.{layer}.layer.{i}.{module}");
                for part in ["q", "k", "v"] {
                    tensors.add(&name(&format!("{attention}.{part}")), &[width, hidden]);
                }
                tensors.add(&name(&format!("{attention}.o")), &[hidden, width]);
                tensors.add(&name("layer_norm"), &[hidden]);
            }
            let name = |module: &str| format!("{half}.block.{layer}.layer.{}.{module}", attentions.len());
            for first in if gated { &["wi_0", "wi_1"][..] } else { &["wi"] } {
                tensors.add(&name(&format!("DenseReluDense.{first}")), &[inner, hidden]);
            }
            tensors.add(&name("DenseReluDense.wo"), &[hidden, inner]);
            tensors.add(&name("layer_norm"), &[hidden]);
        }
        tensors.add(&format!("{half}.final_layer_norm"), &[hidden]);
    }
    if has_head {
        tensors.add("lm_head", &[size("vocab_size"), hidden]);
    }
    tensors.write(name, &config)
}

fn blenderbot(name: &str, tied: bool, config: Value) -> PathBuf {
    let size = |key: &str| config[key].as_u64().expect(key) as usize;
    let (vocab, hidden) = (size("vocab_size"), size("d_model"));
    let mut tensors = Tensors::default();
    tensors.add("model.shared", &[vocab, hidden]);
    for half in ["encoder", "decoder"] {
        let of_half = |module: &str| format!("model.{half}.{module}");
        tensors.add(&of_half("embed_positions"), &[size("max_position_embeddings"), hidden]);
        tensors.with_bias(&of_half("layer_norm"), &[hidden]);
        if !tied {
            tensors.add(&of_half("embed_tokens"), &[vocab, hidden]);
        }
        let inner = size(&format!("{half}_ffn_dim"));
        for layer in 0..size(&format!("{half}_layers")) {
            let name = |module: &str| format!("model.{half}.layers.{layer}.{module}");
            for attention in if half == "encoder" { &["self_attn"][..] } else { &["self_attn", "encoder_attn"] } {
                for module in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                    tensors.with_bias(&name(&format!("{attention}.{module}")), &[hidden, hidden]);
                }
                tensors.with_bias(&name(&format!("{attention}_layer_norm")), &[hidden]);
            }
            tensors.with_bias(&name("fc1"), &[inner, hidden]);
            tensors.with_bias(&name("fc2"), &[hidden, inner]);
            tensors.with_bias(&name("final_layer_norm"), &[hidden]);
        }
    }
    if tied {
        tensors.0.push(("final_logits_bias".into(), vec![1, vocab]));
    } else {
        tensors.add("lm_head", &[vocab, hidden]);
    }
    tensors.write(name, &config)
}

fn folders() -> Vec<PathBuf> {
    let t5_config = |changes: Value| {
        let mut config = json!({
            "model_type": "t5", "is_encoder_decoder": true, "decoder_start_token_id": 0, "vocab_size": 97,
            "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "feed_forward_proj": "relu",
        });
        changes.as_object().expect("changes").iter().for_each(|(key, value)| config[key] = value.clone());
        config
    };
    let blenderbot_config = |changes: Value| {
        let mut config = json!({
            "model_type": "blenderbot", "is_encoder_decoder": true, "decoder_start_token_id": 1, "vocab_size": 97,
            "max_position_embeddings": 80,
        });
        changes.as_object().expect("changes").iter().for_each(|(key, value)| config[key] = value.clone());
        config
    };
    vec![
        bert(
            "bert-a",
            "bert.",
            json!({ "model_type": "bert", "hidden_size": 30, "num_attention_heads": 6, "num_hidden_layers": 2,
                "intermediate_size": 37, "vocab_size": 101, "type_vocab_size": 1, "max_position_embeddings": 90,
                "hidden_act": "gelu_new", "layer_norm_eps": 1e-6 }),
        ),
        bert(
            "bert-b",
            "",
            json!({ "model_type": "bert", "hidden_size": 130, "num_attention_heads": 2, "num_hidden_layers": 1,
                "intermediate_size": 33, "vocab_size": 53, "type_vocab_size": 3, "max_position_embeddings": 200,
                "hidden_act": "silu" }),
        ),
        bert(
            "xlm-roberta",
            "roberta.",
            json!({ "model_type": "xlm-roberta", "hidden_size": 36, "num_attention_heads": 2, "num_hidden_layers": 2,
                "intermediate_size": 40, "vocab_size": 77, "type_vocab_size": 2, "max_position_embeddings": 100,
                "hidden_act": "relu", "pad_token_id": 3 }),
        ),
        t5(
            "t5-a",
            true,
            t5_config(
                json!({ "d_model": 30, "d_kv": 7, "num_heads": 3, "d_ff": 41, "num_layers": 3, "num_decoder_layers": 1,
                "feed_forward_proj": "gated-silu", "relative_attention_num_buckets": 10,
                "relative_attention_max_distance": 25, "tie_word_embeddings": false }),
            ),
        ),
        t5(
            "t5-b",
            false,
            t5_config(json!({ "d_model": 34, "d_kv": 12, "num_heads": 5, "d_ff": 50, "num_layers": 1,
                "num_decoder_layers": 2, "feed_forward_proj": "gated-relu" })),
        ),
        blenderbot(
            "blenderbot-a",
            false,
            blenderbot_config(json!({ "d_model": 30, "encoder_layers": 1, "encoder_attention_heads": 3,
                "encoder_ffn_dim": 17, "decoder_layers": 2, "decoder_attention_heads": 5, "decoder_ffn_dim": 29,
                "activation_function": "relu", "tie_word_embeddings": false })),
        ),
        blenderbot(
            "blenderbot-b",
            true,
            blenderbot_config(json!({ "d_model": 36, "encoder_layers": 2, "encoder_attention_heads": 4,
                "encoder_ffn_dim": 30, "decoder_layers": 1, "decoder_attention_heads": 1, "decoder_ffn_dim": 29,
                "activation_function": "silu", "scale_embedding": true })),
        ),
    ]
}

/// All numbers that a model gives for a text of `n` tokens, and the ids of its answer.
fn run(engine: &mut Engine, n: u32) -> (Vec<f32>, Vec<u32>) {
    let text_ids: Vec<u32> = (0..n).map(|i| 4 + i * 37 % 49).collect();
    let cancel = Cancel::new();
    let Engine { text, session, info, .. } = engine;
    if info.kind == "encoder" {
        let pooled = pollster::block_on(session.embed(&text_ids, &cancel)).expect("embeds");
        return ([pooled.mean, pooled.first].concat(), Vec::new());
    }
    let mut logits = Vec::new();
    let given = [0, 5, 9, 33, 2, 40, 41, 42, 43];
    let visit = |_: usize, row: &[f32]| logits.extend_from_slice(row);
    pollster::block_on(session.answer_logits(&text_ids, &given, &cancel, visit)).expect("runs");
    let sampler = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let options = GenerateOptions { sampler, max_tokens: Some(6), ignore_eos: true, ..GenerateOptions::default() };
    let mut generation = Generation::new(text, session.capacity(), &Input::Ids(text_ids), options).expect("an answer");
    let mut answer = Vec::new();
    while let Some(item) = pollster::block_on(generation.next(text, session, &cancel)).expect("goes on") {
        if let Item::Token { id, .. } = item {
            answer.push(id);
        }
    }
    (logits, answer)
}

#[test]
fn every_family_of_kernels_computes_what_the_references_do() {
    for path in folders() {
        let name = path.display();
        let options = EngineOptions { context: Some(CONTEXT), ..EngineOptions::default() };
        let mut reference = load(&path, None, options.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let lengths = [1, 2, 9, 33, CONTEXT];
        let wanted = lengths.map(|n| run(&mut reference, n));
        for kernels in [None, Some(Kernels::Workgroup), Some(Kernels::Subgroup)] {
            let options = EngineOptions { kernels, ..options.clone() };
            let mut engine = load(&path, Some(gpu(GpuOptions::default())), options).expect("loads");
            for (n, (wanted, answer)) in lengths.into_iter().zip(&wanted) {
                let (got, answered) = run(&mut engine, n);
                let largest = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                let error = max_difference(&got, wanted) / largest;
                assert!(error < TOLERANCE, "{name} by {kernels:?}: {n} tokens: off by {error} of {largest}");
                assert_eq!(answered, *answer, "{name} by {kernels:?}: {n} tokens");
            }
        }
        std::fs::remove_dir_all(&path).expect("removed");
        // The last of them leaves the folder of folders empty.
        let _ = std::fs::remove_dir(path.parent().expect("a folder"));
    }
}
