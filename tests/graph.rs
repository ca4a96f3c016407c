//! The graph room: fusion keeps every value, memory never mixes two that live at once, a token's calls are counted.

use std::collections::HashMap;
use std::rc::Rc;

use crate::common::{self, fixture, gpu, max_difference, smollm2};
use doran::ErrorKind;
use doran::checkpoint;
use doran::format::Checkpoint;
use doran::gpu::device::GpuOptions;
use doran::gpu::{Draw, Gpu, GpuBuffer, StepShape, Usage};
use doran::graph::fuse::{add_residuals, concatenate_linears, fuse, gate};
use doran::graph::fuse_one_row::{
    fold_gates, fold_norms, fuse_attention, fuse_one_row, prepare_norms, take_the_only_row,
};
use doran::graph::lower::{Bindings, Bucket, Lowered, lower};
use doran::graph::reference::ReferenceModel;
use doran::graph::weights::{CpuSink, CpuWeights, GpuSink, GpuWeights, spans};
use doran::graph::{Graph, Kind, memory};
use doran::models;
use doran::ops::elementwise::Function;
use doran::ops::sample::Sampling;
use doran::ops::{GpuKvLayer, GpuState, KvFormat, Op, Operand, Reduce, Rows, StepRow, Variants};
use doran::session::Next;
use doran::weights::file::FileSource;
use doran::weights::{Cancel, LoadOptions, MemoryStore, ModelFiles};

const CAPACITY: u32 = 64;
const CHUNK_BYTES: u64 = 64 << 10;

/// A plain decoder, a mixture of experts with one that all tokens share, and one with sinks and biases.
const GRAPHS: [&str; 3] = ["arch/llama/model-f32.gguf", "arch/qwen2_moe/model-f32.gguf", "arch/gpt_oss/model-f32.gguf"];

type Rule = fn(&mut Graph);

struct Loaded {
    checkpoint: Checkpoint,
    graph: Graph,
    files: ModelFiles<FileSource, MemoryStore<doran::weights::VecBytes>>,
}

fn open(name: &str) -> Loaded {
    pollster::block_on(async {
        let source = FileSource::new([fixture(name)]);
        let options = LoadOptions { chunk_bytes: CHUNK_BYTES, ..LoadOptions::default() };
        let store = MemoryStore::new(None);
        let mut files = ModelFiles::open(Some(source), store, "test", options, &|_| {}, &Cancel::new()).await.unwrap();
        let checkpoint = checkpoint::read(&mut files, &[]).await.expect("a header");
        let (graph, _) = models::record(&checkpoint).expect("a known model");
        Loaded { checkpoint, graph, files }
    })
}

/// Every value of a step, by name, from the references.
fn on_references(name: &str, rows: &[StepRow], rewrite: impl Fn(&mut Graph)) -> HashMap<String, Rows> {
    let mut model = open(name);
    rewrite(&mut model.graph);
    let mut weights = CpuWeights::new(&model.graph, &model.checkpoint).expect("room");
    let mut sink = CpuSink { graph: &model.graph, weights: &mut weights };
    let spans = spans(&model.checkpoint);
    pollster::block_on(model.files.stream(&spans, &mut sink, &|_| {}, &Cancel::new())).expect("streams");
    ReferenceModel::new(model.graph, weights, CAPACITY, KvFormat::F32)
        .expect("room")
        .step_values(rows, 2)
        .expect("runs")
}

/// A model's weights and caches on the GPU, to run its graph in any way.
struct OnGpu<'a> {
    gpu: &'a Rc<Gpu>,
    graph: Graph,
    weights: GpuWeights,
    caches: Vec<GpuKvLayer>,
    states: Vec<GpuState>,
    table: Rc<GpuBuffer>,
    step: Rc<GpuBuffer>,
    sampling: Sampling,
}

impl<'a> OnGpu<'a> {
    fn new(gpu: &'a Rc<Gpu>, name: &str, rewrite: impl Fn(&mut Graph)) -> Self {
        let mut model = open(name);
        rewrite(&mut model.graph);
        let graph = model.graph;
        let weights = pollster::block_on(GpuWeights::allocate(gpu, &graph)).expect("room");
        let mut sink = GpuSink::new(gpu, &graph, &model.checkpoint, &weights, CHUNK_BYTES);
        let spans = spans(&model.checkpoint);
        pollster::block_on(model.files.stream(&spans, &mut sink, &|_| {}, &Cancel::new())).expect("streams");
        drop(sink);
        weights.finish(gpu);
        let cache = |layer: &doran::graph::CacheLayer| {
            let bytes = u64::from(layer.kv_heads * CAPACITY * layer.head_dim.next_multiple_of(4)) * 4;
            let buffer = || Rc::new(gpu.create_buffer("cache", bytes, Usage::Storage));
            GpuKvLayer { k: buffer(), v: buffer(), capacity: CAPACITY }
        };
        let caches = graph.caches.iter().map(cache).collect();
        let state = |layer: &doran::graph::StateLayer| {
            let bytes = u64::from(layer.positions * layer.width.next_multiple_of(4)) * 4;
            let buffer = Rc::new(gpu.create_buffer("state", bytes, Usage::Storage));
            GpuState { buffer, positions: layer.positions }
        };
        let states = graph.states.iter().map(state).collect();
        let divisors = graph.rope_tables[0].divisors.map(|weight| weights.cpu_vector(weight).to_vec());
        let angles = graph.rope_angles(0, 0..CAPACITY, divisors.as_deref());
        let table = Rc::new(gpu.create_buffer("rope", angles.len() as u64 * 8, Usage::Storage));
        gpu.write(&table, 0, bytemuck::cast_slice(&angles));
        let step = Rc::new(gpu.create_buffer("step", 16 + 16 * 64, Usage::Storage));
        let sampling = Sampling::new(gpu, graph.values[graph.logits].width);
        Self { gpu, graph, weights, caches, states, table, step, sampling }
    }

    fn lower(&self, graph: &Graph, bucket: Bucket, variants: Variants) -> Lowered {
        let tables = [Rc::clone(&self.table)];
        let Self { weights, caches, states, step, sampling, .. } = self;
        let sampling = Some(sampling);
        let bias_tables = &[];
        let bind = Bindings { weights, caches, states, rope_tables: &tables, bias_tables, step, sampling, variants };
        lower(self.gpu, graph, &bind, bucket, true).and_then(|planned| planned.record(self.gpu)).expect("lowers")
    }

    /// Runs a step; gives the number of its dispatches.
    fn submit(&self, lowered: &Lowered, rows: &[StepRow], n_outputs: u32) -> u64 {
        let mut words = vec![rows.len() as u32, n_outputs, 0, 0];
        rows.iter().for_each(|row| words.extend([row.token, row.slot, row.position, 0]));
        self.gpu.write(&self.step, 0, bytemuck::cast_slice(&words));
        let kv_length = rows.iter().map(|row| row.position + 1).max().expect("rows");
        let before = self.gpu.counts().dispatches;
        let n_rows = rows.len() as u32;
        let shape = StepShape { n_rows, n_outputs, kv_length, source_length: 0, draw: Draw::Best };
        self.gpu.submit(&lowered.recording, 0..lowered.recording.len(), &shape, None);
        self.gpu.counts().dispatches - before
    }

    /// Every value of the last step, by name.
    fn values(&self, lowered: &Lowered, n_rows: usize, n_outputs: usize) -> HashMap<String, Rows> {
        let read = |operand: &Operand| {
            let readback = self.gpu.create_buffer("readback", operand.buffer.bytes(), Usage::Readback);
            self.gpu.copy(&operand.buffer, &readback, operand.buffer.bytes());
            let bytes = pollster::block_on(self.gpu.read(&readback, operand.buffer.bytes())).expect("reads");
            let floats: &[f32] = bytemuck::cast_slice(&bytes);
            let n = if operand.outputs { n_outputs } else { n_rows };
            let (stride, offset, width) = (operand.stride as usize, operand.offset as usize, operand.width as usize);
            Rows { data: (0..n).flat_map(|i| floats[i * stride + offset..][..width].to_vec()).collect(), width }
        };
        lowered.values.iter().map(|(name, operand)| (name.clone(), read(operand))).collect()
    }
}

/// The kernels for GPUs that every device runs.
fn core_variants() -> Variants {
    Variants { kv: KvFormat::F32, ..Variants::default() }
}

/// Every value of a step, by name, from the kernels for GPUs; and how many dispatches the step took.
fn on_gpu(gpu: &Rc<Gpu>, name: &str, rows: &[StepRow], rewrite: impl Fn(&mut Graph)) -> (HashMap<String, Rows>, u64) {
    let model = OnGpu::new(gpu, name, rewrite);
    let lowered = model.lower(&model.graph, Bucket { max_rows: 64, max_outputs: 16 }, core_variants());
    let n_dispatches = model.submit(&lowered, rows, 2);
    (model.values(&lowered, rows.len(), 2), n_dispatches)
}

/// The same, a row a step: values are those of the last row, dispatches those of the last step.
fn row_by_row(
    gpu: &Rc<Gpu>,
    name: &str,
    rows: &[StepRow],
    rule: impl Fn(&mut Graph),
    variants: Variants,
) -> (HashMap<String, Rows>, u64) {
    let model = OnGpu::new(gpu, name, fuse);
    let mut graph = model.graph.clone();
    rule(&mut graph);
    let lowered = model.lower(&graph, Bucket { max_rows: 1, max_outputs: 1 }, variants);
    let n_dispatches = rows.iter().fold(0, |_, row| model.submit(&lowered, &[*row], 1));
    (model.values(&lowered, 1, 1), n_dispatches)
}

fn rows() -> Vec<StepRow> {
    [5, 77, 200, 31, 8, 120, 3]
        .iter()
        .enumerate()
        .map(|(i, t)| StepRow { token: *t, slot: 0, position: i as u32 })
        .collect()
}

/// The last row of every value.
fn last_rows(values: &HashMap<String, Rows>) -> HashMap<String, Rows> {
    let last = |rows: &Rows| Rows { data: rows.row(rows.len() - 1).to_vec(), width: rows.width };
    values.iter().map(|(name, rows)| (name.clone(), last(rows))).collect()
}

/// Compares the values that both have; padding between concatenated weights is not compared.
fn compare(label: &str, got: &HashMap<String, Rows>, wanted: &HashMap<String, Rows>) {
    let mut n_compared = 0;
    for (name, values) in wanted.iter().filter(|(name, _)| !name.contains('+')) {
        let Some(other) = got.get(name) else { continue };
        let scale = values.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        let error = max_difference(&values.data, &other.data) / scale;
        assert!(error < 2e-5, "{label}: {name} is off by {error}");
        n_compared += 1;
    }
    assert!(n_compared > 20, "{label}: only {n_compared} values have a counterpart");
}

#[test]
fn each_rule_keeps_every_value() {
    GRAPHS.iter().for_each(|name| rules_keep_every_value(name));
}

fn rules_keep_every_value(name: &str) {
    let wanted = on_references(name, &rows(), |_| {});
    let rules: [(&str, Rule); 4] =
        [("concatenate", concatenate_linears), ("gate", gate), ("residuals", add_residuals), ("all", fuse)];
    for (label, rule) in rules {
        compare(&format!("{name}: {label} on the references"), &on_references(name, &rows(), rule), &wanted);
    }
    let gpu = gpu(GpuOptions::default());
    compare(&format!("{name}: recorded on the GPU"), &on_gpu(&gpu, name, &rows(), |_| {}).0, &wanted);
    for (label, rule) in rules {
        compare(&format!("{name}: {label} on the GPU"), &on_gpu(&gpu, name, &rows(), rule).0, &wanted);
    }
}

/// A step of more rows than the kernels for few take, on those for GPUs.
#[test]
fn a_step_of_many_rows_keeps_every_value() {
    let name = "arch/llama/model-f32.gguf";
    let rows: Vec<_> = (0..37).map(|i| StepRow { token: i * 7 % 250, slot: 0, position: i }).collect();
    let gpu = gpu(GpuOptions::default());
    let (values, n_dispatches) = on_gpu(&gpu, name, &rows, fuse);
    compare("many rows", &values, &on_references(name, &rows, |_| {}));
    // Of the kernels for few rows and for many, one runs: eleven dispatches a layer, and six outside.
    assert_eq!(n_dispatches, 11 * open(name).graph.caches.len() as u64 + 6);
}

/// Whoever makes a row prepares the norm that linears take of it: the embedding, each output and down projection, the last of
/// them for the head, which reads it by another name. A matrix in parts prepares nothing.
#[test]
fn norms_are_prepared_by_what_makes_their_input() {
    let prepared = |max_part_bytes| {
        let mut graph = open("arch/llama/model-f32.gguf").graph;
        fuse(&mut graph);
        fuse_one_row(&mut graph, u64::MAX);
        prepare_norms(&mut graph, max_part_bytes);
        graph
    };
    let count = |graph: &Graph| graph.values.iter().filter(|value| value.prepared.is_some()).count();
    let graph = prepared(u64::MAX);
    assert_eq!(count(&graph), 2 * graph.caches.len() + 2);
    for node in &graph.nodes {
        if let Op::Linear(linear) = &node.op
            && let Some(norm) = &linear.norm
        {
            let input = &graph.values[node.inputs[0]];
            assert_eq!(input.prepared, Some(norm.weight), "{}", input.name);
        }
    }
    assert_eq!(count(&prepared(1)), 1);
}

/// Rules for steps of one row: on the references with all rows at once, on every kernel row by row.
#[test]
fn each_rule_for_one_row_keeps_every_value() {
    GRAPHS.iter().for_each(|name| rules_for_one_row_keep_every_value(name));
}

fn rules_for_one_row_keep_every_value(name: &str) {
    let wanted = on_references(name, &rows(), |_| {});
    let all: Rule = |graph| fuse_one_row(graph, u64::MAX);
    let gates: Rule = |graph| fold_gates(graph, u64::MAX);
    let rules: [(&str, Rule); 5] = [
        ("only row", take_the_only_row),
        ("norms", fold_norms),
        ("gates", gates),
        ("attention", fuse_attention),
        ("all", all),
    ];
    for (label, rule) in rules {
        let got = on_references(name, &rows(), |graph| {
            fuse(graph);
            rule(graph);
        });
        compare(&format!("{name}: {label} on the references"), &got, &wanted);
    }
    let gpu = gpu(GpuOptions::default());
    let wanted = last_rows(&wanted);
    let core = core_variants();
    let on_cpu = Variants { matvec: Reduce::None, norm: Reduce::None, ..core };
    for (label, rule) in rules {
        for variants in [core, Variants { matvec: Reduce::Subgroup, norm: Reduce::Subgroup, ..core }, on_cpu] {
            compare(
                &format!("{name}: {label} {variants:?}"),
                &row_by_row(&gpu, name, &rows(), rule, variants).0,
                &wanted,
            );
        }
    }
    // Six dispatches a layer of a Llama, and of a mixture of experts the norm, the router's two, gate, up, their product and the
    // sum in place of one, and what all tokens share; outside: embedding, the head, two that draw.
    let layers = open(name).graph.caches.len() as u64;
    for variants in [core, on_cpu] {
        let of_layer = GRAPHS.iter().position(|other| *other == name).map_or(0, |i| [6, 17, 12][i]);
        assert_eq!(row_by_row(&gpu, name, &rows(), all, variants).1, of_layer * layers + 4);
    }
}

#[test]
fn rules_rewrite_what_they_are_for() {
    let count = |graph: &Graph, wanted: fn(&Op) -> bool| graph.nodes.iter().filter(|node| wanted(&node.op)).count();
    let recorded = open("arch/llama/model-f32.gguf").graph;
    let layers = recorded.caches.len();
    let linears = count(&recorded, |op| matches!(op, Op::Linear(_)));
    assert_eq!(linears, 7 * layers + 1);

    let mut graph = recorded.clone();
    concatenate_linears(&mut graph);
    // q, k, v become one, gate and up become one; o, down and the head stay.
    assert_eq!(count(&graph, |op| matches!(op, Op::Linear(_))), 4 * layers + 1);

    let mut graph = recorded.clone();
    gate(&mut graph);
    assert_eq!(count(&graph, |op| matches!(op, Op::Elementwise(Function::SiluMul))), layers);
    assert_eq!(count(&graph, |op| matches!(op, Op::Elementwise(Function::Silu | Function::Mul))), 0);

    let mut graph = recorded;
    add_residuals(&mut graph);
    assert_eq!(count(&graph, |op| matches!(op, Op::Linear(l) if l.residual)), 2 * layers);
    assert_eq!(count(&graph, |op| matches!(op, Op::Elementwise(Function::Add))), 0);
}

/// What no plan may do: give a value a buffer in which another that is read later still lives.
#[test]
fn memory_never_mixes_two_values_that_live_at_once() {
    let more = ["arch/bert/model-f32.gguf", "arch/t5/model-f32.gguf"];
    let rewritten = |rewrite: Rule| {
        GRAPHS.iter().chain(&more).flat_map(move |file| {
            let mut graph = open(file).graph;
            rewrite(&mut graph);
            [graph.part(false), graph.part(true)]
        })
    };
    let graphs = [|_: &mut Graph| {}, fuse as Rule].into_iter().flat_map(rewritten);
    for graph in graphs.filter(|graph| !graph.nodes.is_empty()) {
        let plan = memory::plan(&graph, false);
        let buffer = |value: usize| plan.buffer_of[graph.owner(value).0].expect("assigned");
        let mut holds: HashMap<usize, usize> = HashMap::new();
        for node in &graph.nodes {
            for input in &node.inputs {
                let owner = graph.owner(*input).0;
                assert_eq!(holds.get(&buffer(*input)), Some(&owner), "{} was overwritten", graph.values[owner].name);
            }
            if let Some(output) = node.output {
                let inputs: Vec<_> = node.inputs.iter().map(|input| buffer(*input)).collect();
                assert!(!inputs.contains(&buffer(output)), "{} is written where it is read", graph.values[output].name);
                holds.insert(buffer(output), output);
            }
        }
        assert_eq!(holds.get(&buffer(graph.logits)), Some(&graph.logits));
        let n_values = graph.nodes.iter().filter(|node| node.output.is_some()).count();
        assert!(plan.buffers.len() < n_values / 2, "{} buffers for {n_values} values", plan.buffers.len());
        assert_eq!(memory::plan(&graph, true).buffers.len(), graph.nodes.iter().filter(|n| n.output.is_some()).count());
    }
}

/// A model of two halves: each node belongs to one of them, layers that read share a cache, and what is read stays for each
/// layer that answers.
#[test]
fn halves_share_weights_and_caches_and_no_node() {
    let kind = |name: &str| open(name).graph.kind();
    assert_eq!(kind("arch/llama/model-f32.gguf"), Kind::Decoder);
    assert_eq!(kind("arch/bert/model-f32.gguf"), Kind::Encoder);
    let mut graph = open("arch/t5/model-f32.gguf").graph;
    fuse(&mut graph);
    assert_eq!(graph.kind(), Kind::EncoderDecoder);
    let (encoder, decoder) = (graph.part(true), graph.part(false));
    assert_eq!((encoder.kind(), decoder.kind()), (Kind::Encoder, Kind::Decoder));
    assert_eq!(encoder.nodes.len() + decoder.nodes.len(), graph.nodes.len());
    let written = |graph: &Graph| -> Vec<usize> {
        let layer = |node: &doran::graph::Node| match &node.op {
            Op::KvWrite(write) => Some(write.layer),
            _ => None,
        };
        graph.nodes.iter().filter_map(layer).collect()
    };
    // Two layers that read, and what two layers that answer look at; their own.
    assert_eq!((written(&encoder), written(&decoder)), (vec![0, 0, 1, 2], vec![3, 4]));
    assert_eq!(graph.caches.len(), 5);
    assert_eq!((encoder.weights == graph.weights, decoder.weights == graph.weights), (true, true));
    let bert = open("arch/bert/model-f32.gguf").graph;
    assert_eq!((written(&bert), bert.caches.len()), (vec![0, 0, 0], 1));
}

/// The counted budget of a decoded token of SmolLM2: 30 layers of six dispatches, four outside, however it is drawn.
#[test]
fn a_decoded_token_is_one_submit_of_one_pass_and_creates_nothing() {
    use doran::engine::{Engine, EngineOptions};
    use doran::sampler::SamplerOptions;
    let gpu = gpu(GpuOptions::default());
    // Without running ahead, so that each call is one token.
    let options = EngineOptions { run_ahead: Some(0), ..EngineOptions::default() };
    let mut engine: Engine = common::load(&smollm2(), Some(Rc::clone(&gpu)), options).expect("loads");
    let best = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
    let noise = SamplerOptions { repetition_penalty: 1.1, logit_bias: vec![(5, 1.0)], ..SamplerOptions::default() };
    let filtered = SamplerOptions { top_k: 40, top_p: 0.95, ..SamplerOptions::default() };
    for sampler in [best, noise, filtered] {
        let mut ids = vec![504, 3575, 282];
        engine.session.begin(&ids, Some(&sampler)).expect("begins");
        let mut counts = Vec::new();
        for _ in 0..4 {
            let next = pollster::block_on(engine.session.next(&ids, 100, &Cancel::new())).expect("decodes");
            let Next::Token(id) = next else { panic!("{sampler:?} is not drawn on the GPU") };
            ids.push(id);
            counts.push(gpu.counts());
        }
        let [before, after] = [counts[2], counts[3]];
        assert_eq!(after.submits - before.submits, 1);
        assert_eq!(after.passes - before.passes, 1);
        assert_eq!(after.created - before.created, 0);
        assert_eq!(after.readback_bytes - before.readback_bytes, 16);
        // Token and position stay on the GPU.
        assert_eq!(after.buffer_writes - before.buffer_writes, 0);
        assert_eq!(after.dispatches - before.dispatches, 30 * 6 + 4, "{sampler:?}");
        assert_eq!((after.live_objects, after.gpu_bytes), (before.live_objects, before.gpu_bytes));
        // Each weight is read once; of the tied table the head reads all and the embedding one row.
        let weights = after.weight_bytes_read - before.weight_bytes_read;
        assert!((97_000_000..99_000_000).contains(&weights), "{weights} bytes of weights");
        // Keys and values once a KV head: 30 layers, 3 heads of 64 values, f32, both, 6 positions.
        assert_eq!(after.kv_bytes_read - before.kv_bytes_read, 30 * 3 * 64 * 4 * 2 * 6);
    }
}

/// Experts are chosen on the GPU, and states go from step to step there.
#[test]
fn mixtures_and_states_decode_in_one_pass_too() {
    use doran::engine::{Engine, EngineOptions};
    use doran::sampler::SamplerOptions;
    for name in
        ["arch/gpt_oss/model-f32.gguf", "arch/qwen2_moe/model-f32.gguf", "arch/lfm2/model-f32.gguf", "arch/rwkv/"]
    {
        let gpu = gpu(GpuOptions::default());
        let options = EngineOptions { run_ahead: Some(0), context: Some(64), ..EngineOptions::default() };
        let mut engine: Engine = common::load(&fixture(name), Some(Rc::clone(&gpu)), options).expect("loads");
        let best = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
        let mut ids = vec![5, 77, 200];
        engine.session.begin(&ids, Some(&best)).expect("begins");
        let mut counts = Vec::new();
        for _ in 0..4 {
            let next = pollster::block_on(engine.session.next(&ids, 50, &Cancel::new())).expect("decodes");
            let Next::Token(id) = next else { panic!("not drawn on the GPU") };
            ids.push(id);
            counts.push(gpu.counts());
        }
        let [before, after] = [counts[2], counts[3]];
        let made = [after.submits - before.submits, after.passes - before.passes, after.created - before.created];
        assert_eq!(made, [1, 1, 0], "{name}");
        assert_eq!(after.buffer_writes - before.buffer_writes, 0, "{name}");
    }
}

#[test]
fn what_the_gpu_cannot_hold_in_one_piece_is_a_typed_error() {
    let name = "arch/llama/model-f32.gguf";
    let checked = |gpu: &Rc<Gpu>, capacity: u32| {
        let mut model = open(name);
        fuse(&mut model.graph);
        pollster::block_on(async {
            let weights = GpuWeights::allocate(gpu, &model.graph).await?;
            let variants = core_variants();
            doran::backend::PlannedModel::new(gpu, &model.graph, &weights, capacity, variants).await
        })
        .map(drop)
        .map_err(|error| {
            (error.kind(), error.data()["needed_bytes"].as_u64() > error.data()["available_bytes"].as_u64())
        })
    };
    let too_large = Err((ErrorKind::OutOfMemory, true));
    // A cache of a layer, whose size the caller's context sets; a quad of rows of the smallest matrix.
    let small = gpu(GpuOptions { max_binding_bytes: Some(64 << 10), ..GpuOptions::default() });
    assert_eq!(checked(&small, CAPACITY), Ok(()));
    assert_eq!(checked(&small, u32::MAX), too_large);
    let tiny = gpu(GpuOptions { max_binding_bytes: Some(1 << 10), ..GpuOptions::default() });
    assert_eq!(checked(&tiny, CAPACITY), too_large);
}

#[test]
fn matrices_beyond_every_kernel_are_refused() {
    let mut model = open("arch/llama/model-f32.gguf");
    for (rows, cols) in [(1u64 << 21, 64u64), (64, 1 << 21), (1 << 20, 1 << 20), (u64::from(u32::MAX), 1)] {
        let tensor = &mut model.checkpoint.tensors[0];
        (tensor.name, tensor.shape) = ("wide.weight".into(), vec![rows, cols]);
        let mut recorder = doran::graph::record::Recorder::new(&model.checkpoint);
        let refused = recorder.embedding("wide", rows as u32, cols as u32).expect_err("too large");
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{rows} × {cols}");
    }
}
