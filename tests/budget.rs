//! The counted budget of a token and of a load, at the shapes of real models, without their weights: what a graph of these
//! shapes asks of the GPU does not depend on the numbers in it.

use std::rc::Rc;

use crate::common::{self, gpu, own_gpu, smollm2};
use doran::backend::{Backend, PlannedModel, kv_bytes};
use doran::engine::EngineOptions;
use doran::format::{Checkpoint, GenerationConfig, RowMap, TensorInfo, TokenizerSource};
use doran::gpu::device::GpuOptions;
use doran::gpu::{Counts, Gpu};
use doran::graph::Graph;
use doran::graph::fuse::fuse;
use doran::graph::weights::{GpuWeights, gpu_bytes};
use doran::models;
use doran::ops::attention::score_bytes;
use doran::ops::elementwise::Function;
use doran::ops::sample::{self, Sampling};
use doran::ops::{KvFormat, StepRow};
use doran::quant::Format;
use doran::sampler::SamplerOptions;
use doran::tune::{Kernels, Precision, Wanted, tune};
use doran::weights::Cancel;
use serde_json::json;

const CONTEXT: u32 = 256;

/// Dimensions of a Llama-like model.
struct Shape {
    vocab_size: u64,
    hidden_size: u64,
    intermediate_size: u64,
    layers: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
}

/// Gemma 3's 270 million, but for its norms and its gate: a vocabulary of 262,144 on a width of 640, heads of 256.
const GEMMA_LIKE: Shape = Shape {
    vocab_size: 262_144,
    hidden_size: 640,
    intermediate_size: 2048,
    layers: 2,
    heads: 4,
    kv_heads: 1,
    head_dim: 256,
};

/// A checkpoint of this shape; `format_of` says how a module's weight is stored.
fn checkpoint(shape: &Shape, format_of: impl Fn(&str) -> Format) -> Checkpoint {
    let Shape { vocab_size, hidden_size, intermediate_size, layers, heads, kv_heads, head_dim } = *shape;
    let mut tensors = Vec::new();
    let mut offset = 0;
    let mut add = |name: String, shape: Vec<u64>| {
        let format = if shape.len() == 1 { Format::F32 } else { format_of(&name) };
        let n_bytes = format.row_bytes(shape[shape.len() - 1]).expect("whole blocks")
            * shape[..shape.len() - 1].iter().product::<u64>();
        tensors.push(TensorInfo { name, file: 0, offset, n_bytes, shape, format, row_map: RowMap::Identity });
        offset += n_bytes;
    };
    add("model.embed_tokens.weight".into(), vec![vocab_size, hidden_size]);
    add("model.norm.weight".into(), vec![hidden_size]);
    for layer in 0..layers {
        let mut module = |name: &str, shape: &[u64]| add(format!("model.layers.{layer}.{name}.weight"), shape.to_vec());
        module("input_layernorm", &[hidden_size]);
        module("self_attn.q_proj", &[heads * head_dim, hidden_size]);
        module("self_attn.k_proj", &[kv_heads * head_dim, hidden_size]);
        module("self_attn.v_proj", &[kv_heads * head_dim, hidden_size]);
        module("self_attn.o_proj", &[hidden_size, heads * head_dim]);
        module("post_attention_layernorm", &[hidden_size]);
        module("mlp.gate_proj", &[intermediate_size, hidden_size]);
        module("mlp.up_proj", &[intermediate_size, hidden_size]);
        module("mlp.down_proj", &[hidden_size, intermediate_size]);
    }
    let config = json!({
        "vocab_size": vocab_size, "hidden_size": hidden_size, "intermediate_size": intermediate_size,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_dim,
        "max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
    });
    Checkpoint {
        model_type: "llama".into(),
        config: config.as_object().expect("an object").clone(),
        tensors,
        tokenizer: TokenizerSource::Json { tokenizer: String::new(), config: None },
        chat_template: None,
        license: None,
        generation: GenerationConfig::default(),
        name: None,
        pooling: None,
    }
}

const SMALL: Shape =
    Shape { vocab_size: 512, hidden_size: 64, intermediate_size: 96, layers: 3, heads: 4, kv_heads: 2, head_dim: 16 };

struct Measured {
    graph: Graph,
    token: Counts,
    loaded: Counts,
    planned_bytes: u64,
    /// Whether its kernels round activations.
    rounds: bool,
}

/// What the eleventh token costs, and what the model takes on the GPU.
fn measure(gpu: &Rc<Gpu>, checkpoint: &Checkpoint, (kernels, precision): (Kernels, Precision)) -> Measured {
    let (mut graph, _) = models::record(checkpoint).expect("a known model");
    fuse(&mut graph);
    pollster::block_on(async {
        let before = gpu.counts().gpu_bytes;
        let weights = GpuWeights::allocate(gpu, &graph).await.expect("room");
        let formats = doran::graph::weights::formats(&graph);
        let wanted = Wanted { kernels: Some(kernels), precision, ..Wanted::new(&formats, Function::SiluMul) };
        let variants = tune(gpu, &wanted).await.expect("a choice").variants(KvFormat::F16);
        let planned = PlannedModel::new(gpu, &graph, &weights, CONTEXT, variants).await.expect("room");
        let mut backend = Backend::on_gpu(Rc::clone(gpu), planned, weights, Some(0)).expect("made");
        let loaded = gpu.counts();
        let matrices: u64 =
            graph.weights.iter().enumerate().filter(|(i, _)| is_used(&graph, *i)).map(|(_, w)| gpu_bytes(w)).sum();
        let planned_bytes = before + matrices + kv_bytes(&graph.caches, CONTEXT, KvFormat::F16);
        let greedy = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
        assert_eq!(sample::draw_of(&greedy), doran::gpu::Draw::Best);
        backend.begin(&greedy, &[]);
        let mut counts = Vec::new();
        for position in 0..11 {
            let row = StepRow { token: 0, slot: 0, position };
            backend.draw(&[row], 100, &Cancel::new()).await.expect("runs");
            counts.push(gpu.counts());
        }
        let token = difference(&counts[10], &counts[9]);
        let rounds = backend.decode_labels().iter().any(|label| label.contains("int8/"));
        Measured { graph, token, loaded, planned_bytes, rounds }
    })
}

fn is_used(graph: &Graph, weight: usize) -> bool {
    use doran::ops::Op;
    graph.nodes.iter().any(|node| match &node.op {
        Op::Embedding(op) => op.weight == weight,
        Op::RmsNorm(op) => op.weight == weight,
        Op::Linear(op) => op.weight == weight,
        _ => false,
    })
}

fn difference(after: &Counts, before: &Counts) -> Counts {
    Counts {
        dispatches: after.dispatches - before.dispatches,
        passes: after.passes - before.passes,
        submits: after.submits - before.submits,
        created: after.created - before.created,
        pipelines: after.pipelines - before.pipelines,
        buffer_writes: after.buffer_writes - before.buffer_writes,
        bytes_written: after.bytes_written - before.bytes_written,
        readback_bytes: after.readback_bytes - before.readback_bytes,
        weight_bytes_read: after.weight_bytes_read - before.weight_bytes_read,
        kv_bytes_read: after.kv_bytes_read - before.kv_bytes_read,
        live_objects: after.live_objects - before.live_objects,
        gpu_bytes: after.gpu_bytes - before.gpu_bytes,
    }
}

/// All kernels that a GPU may use: the counts are theirs, whatever adapter runs them here.
#[test]
fn a_token_of_a_model_with_a_large_vocabulary() {
    let gpu = gpu(GpuOptions::default());
    let checkpoint = checkpoint(&GEMMA_LIKE, |_| Format::Q8_0);
    let Measured { graph, token, loaded, planned_bytes, .. } =
        measure(&gpu, &checkpoint, (Kernels::Workgroup, Precision::Exact));
    // The table of 188 MB lies in as many parts as bindings take; embedding and head have a dispatch for each.
    let table = GEMMA_LIKE.vocab_size * GEMMA_LIKE.hidden_size;
    let parts = table.div_ceil(gpu.max_bytes() / GEMMA_LIKE.hidden_size / 32 * 32 * GEMMA_LIKE.hidden_size);
    assert_eq!(token.dispatches, 6 * GEMMA_LIKE.layers + 2 + 2 * parts, "{parts} parts");
    assert_eq!((token.submits, token.passes, token.created, token.pipelines), (1, 1, 0, 0));
    assert_eq!((token.readback_bytes, token.live_objects, token.gpu_bytes), (16, 0, 0));
    // Here each token is a new row, which is written; in an answer it is the one that was drawn (`tests/graph.rs`).
    assert!((token.buffer_writes, token.bytes_written) <= (1, 32));
    // Weights once, and one row of the table more.
    let matrices: u64 = graph
        .weights
        .iter()
        .enumerate()
        .filter(|(i, w)| !w.vector && is_used(&graph, *i))
        .map(|(_, w)| gpu_bytes(w))
        .sum();
    let ratio = token.weight_bytes_read as f64 / matrices as f64;
    assert!((1.0..1.05).contains(&ratio), "{ratio}");
    // Eleven positions, one KV head of 256 halves, keys and values: once, though four query heads read them.
    assert_eq!(token.kv_bytes_read, GEMMA_LIKE.layers * 11 * 256 * 2 * 2);
    // Of the activations the logits are the most: sixteen rows and what reads them back, one row, and bias and counts for the
    // draw. What is left: 64 rows of everything else, rotary angles, partial sums.
    let logits = 35 * GEMMA_LIKE.vocab_size * 4;
    let rest = loaded.gpu_bytes - planned_bytes - logits;
    assert!(rest < (planned_bytes + logits) / 20, "{rest} bytes beside the planned {planned_bytes}");
    assert!(loaded.pipelines <= 40, "{} kernels", loaded.pipelines);
}

/// Rounding activations changes none of the counts.
#[test]
fn a_token_with_rounded_activations_costs_the_same() {
    let checkpoint = checkpoint(&SMALL, |_| Format::Q8_0);
    let of = |precision| measure(&own_gpu(GpuOptions::default()), &checkpoint, (Kernels::Workgroup, precision));
    let (exact, fast) = (of(Precision::Exact), of(Precision::Fast));
    assert_eq!([exact.rounds, fast.rounds], [false, true]);
    assert_eq!(fast.token, exact.token);
    assert_eq!((fast.token.dispatches, fast.token.submits, fast.token.created), (6 * SMALL.layers + 4, 1, 0));
    assert_eq!((fast.loaded.pipelines, fast.loaded.gpu_bytes), (exact.loaded.pipelines, exact.loaded.gpu_bytes));
}

/// Where a fused group's weights have several formats, each takes a dispatch.
#[test]
fn a_mixed_group_costs_one_dispatch_a_format() {
    let gpu = gpu(GpuOptions::default());
    let count = |format_of: fn(&str) -> Format, kernels| {
        measure(&gpu, &checkpoint(&SMALL, format_of), kernels).token.dispatches
    };
    let fast = (Kernels::Workgroup, Precision::Fast);
    let exact = [Kernels::Rows, Kernels::Workgroup, Kernels::Subgroup].map(|kernels| (kernels, Precision::Exact));
    for kernels in exact.into_iter().chain([fast]) {
        let alike = count(|_| Format::Q8_0, kernels);
        assert_eq!(alike, 6 * 3 + 4);
        let values = |name: &str| if name.contains("v_proj") { Format::F16 } else { Format::Q8_0 };
        assert_eq!(count(values, kernels), alike + 3, "v apart from q and k");
        // gate and up apart: a product of their own besides.
        let ups = |name: &str| if name.contains("up_proj") { Format::F16 } else { Format::Q8_0 };
        assert_eq!(count(ups, kernels), alike + 2 * 3, "up apart from gate");
    }
}

/// GPU memory of the real model: weights, caches, activations, and little else.
#[test]
fn smollm2_takes_no_more_than_planned() {
    let gpu = gpu(GpuOptions::default());
    let engine = common::load(&smollm2(), Some(Rc::clone(&gpu)), EngineOptions::default()).expect("loads");
    let counts = gpu.counts();
    // The repacked weights, as `tests/graph.rs` counts them, and 4096 positions of 30 layers of three heads of 64 values, both.
    let weights = 98_000_000u64;
    let cache = 4096 * 30 * 3 * 64 * 2 * 4;
    // Logits, what draws, and the scores of 64 rows of nine heads, which CPU adapters want.
    let logits = (16 + 1 + 16) * 49_152 * 4;
    let activations = logits + Sampling::bytes(49_152) + score_bytes(64, 9, 4096);
    let planned = weights + cache + activations;
    assert!(counts.gpu_bytes < planned + planned / 20, "{} bytes of {planned}", counts.gpu_bytes);
    assert!(counts.pipelines <= 40, "{} kernels", counts.pipelines);
    drop(engine);
}
