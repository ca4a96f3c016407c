//! What kernels really load: the bytes that their ops declare are held against counters that each load of weights, keys and
//! values adds to. The WGSL is rewritten for it: `quants[i]` becomes a call that counts.

mod counter;

use std::rc::Rc;

use self::counter::Counter;
use crate::kernels::harness::{Bench, Random, Stored};
use doran::gpu::Usage;
use doran::gpu::upload::GpuMatrix;
use doran::ops::attention::{Around, Attention, Mask, score_bytes};
use doran::ops::embedding::{Embedding, TableRow};
use doran::ops::linear::{Linear, LinearWeights};
use doran::ops::rope_attention::{RopeAttention, partial_bytes};
use doran::ops::{GpuKvLayer, KvFormat, Lowering, PARAMS, Reduce, StepRow, Variants};
use doran::quant::Format;

fn step_rows(positions: std::ops::Range<u32>) -> Vec<StepRow> {
    positions.map(|position| StepRow { token: 0, slot: 0, position }).collect()
}

/// Formats of which a tile loads no more than what matvec does, but for the scales of four rows.
const PLAIN: [Format; 6] = [Format::F32, Format::F16, Format::BF16, Format::Q4_0, Format::Q4_1, Format::Q8_0];

#[test]
fn weights_are_loaded_as_often_as_is_declared() {
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        // Rows that are whole workgroups of every kernel: those past the end would load the last quad again.
        let (n, k) = (384, 512);
        let mut random = Random(3);
        for format in PLAIN {
            let weight = Stored::random(format, n, k, &mut random);
            let matrix = weight.upload(&bench, 777);
            for variants in bench.variants() {
                for tokens in [1, 5, 8, 64] {
                    let shape = bench.write_step(&step_rows(0..tokens as u32), 1);
                    let ctx = bench.lowering(variants, if tokens == 1 { 1 } else { 64 });
                    let (x, y) = (bench.operand(&random.rows(tokens, k), 0), bench.room(tokens, n));
                    let read = LinearWeights { weight: &matrix, bias: None, norm: None };
                    let specs = Linear::default().lower(&ctx, "y", read, (&x, None), &y);
                    let declared: u64 = specs.iter().map(|spec| (spec.weight_bytes)(&shape)).sum();
                    let (loaded, _) = counter.sums(&bench, &specs, &shape).await;
                    let label = format!("{format:?}, {tokens} rows, {variants:?}");
                    if tokens == 1 || variants.matvec == Reduce::None {
                        assert_eq!(loaded, declared, "{label}");
                    } else {
                        // The four invocations that unpack a quad's rows load its scales each.
                        let (quants, scales) = format.gpu_row_bytes(k as u64);
                        let most = declared * (quants + 4 * scales) / (quants + scales);
                        assert!(loaded >= declared && loaded <= most, "{label}: {loaded} of {declared}");
                    }
                    // A decoded token loads each weight once.
                    let stored: u64 = matrix.parts.iter().map(|part| matrix.part_bytes(part)).sum();
                    assert!(tokens > 1 || loaded == stored, "{format:?}: {loaded} of {stored}");
                }
            }
            let op = Embedding { weight: 0, scale: 1.0, row: TableRow::Token };
            let rows: Vec<_> = (0..3).map(|i| StepRow { token: 7 * i, slot: 0, position: i }).collect();
            let shape = bench.write_step(&rows, 1);
            let specs = op.lower(&bench.lowering(bench.variants()[0], 64), "y", &matrix, &bench.room(3, k));
            let (loaded, _) = counter.sums(&bench, &specs, &shape).await;
            // A quad's scales come in one vec4, of which a row takes a word.
            let (quants, scales) = format.gpu_row_bytes(k as u64);
            assert_eq!(loaded, 3 * (quants + 4 * scales), "{format:?}");
        }
    });
}

/// The others, and how many times what is stored an invocation loads that takes one sub-block: scales that eight share, for each.
const OTHERS: [(Format, f64); 12] = [
    (Format::Q5_0, 1.0),
    (Format::Q5_1, 1.0),
    (Format::Q6_K, 1.0),
    (Format::IQ4_NL, 1.0),
    (Format::IQ4_XS, 1.0),
    (Format::MXFP4, 1.0),
    (Format::Q5_K, 72.0 / 44.0),
    (Format::Q4_K, 64.0 / 36.0),
    (Format::Q3_K, 56.0 / 28.0),
    (Format::Q2_K, 56.0 / 21.0),
    (Format::TQ1_0, 56.0 / 21.0),
    (Format::TQ2_0, 56.0 / 21.0),
];

/// Every load of a decoded token is of a whole vec4, and what is stored is loaded once: by each kernel for one row where it takes whole
/// runs of sub-blocks, which [`Variants::spread`] says for GPUs; scales again where it takes less than a run.
#[test]
fn a_decoded_token_loads_what_is_stored_once_by_whole_vec4s() {
    assert_eq!(PLAIN.len() + OTHERS.len(), Format::ALL.len());
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        let (n, k) = (256, 512);
        let mut random = Random(4);
        for (format, short) in PLAIN.map(|format| (format, 1.0)).into_iter().chain(OTHERS) {
            let matrix = Stored::random(format, n, k, &mut random).upload(&bench, 777);
            let shape = bench.write_step(&step_rows(0..1), 1);
            for variants in bench.variants() {
                let (x, y) = (bench.operand(&random.rows(1, k), 0), bench.room(1, n));
                let read = LinearWeights { weight: &matrix, bias: None, norm: None };
                let specs = Linear::default().lower(&bench.lowering(variants, 1), "y", read, (&x, None), &y);
                let declared: u64 = specs.iter().map(|spec| (spec.weight_bytes)(&shape)).sum();
                let (loaded, _) = counter.sums(&bench, &specs, &shape).await;
                let whole_runs = variants.matvec == Reduce::None || variants.spread == 1;
                let times = if whole_runs { 1.0 } else { short };
                let label = format!("{format:?}, {variants:?}");
                assert_eq!(loaded, (declared as f64 * times).round() as u64, "{label}: of {declared}");
                assert_eq!(counter.loads(&bench, &specs, &shape).await * 16, loaded, "{label}: not by whole vec4s");
            }
        }
    });
}

/// As long a run as leaves a GPU enough invocations.
#[test]
fn runs_are_as_long_as_leaves_enough_invocations() {
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        let (n, k) = (64, 512);
        let mut random = Random(6);
        let matrix = Stored::random(Format::Q4_K, n, k, &mut random).upload(&bench, 777);
        let shape = bench.write_step(&step_rows(0..1), 1);
        // Eight pairs of quads by sixteen sub-blocks are 128.
        for (spread, run) in [(16, 8), (17, 4), (32, 4), (33, 2), (64, 2), (65, 1), (1000, 1)] {
            let variants = Variants { spread, ..Variants::default() };
            let (x, y) = (bench.operand(&random.rows(1, k), 0), bench.room(1, n));
            let read = LinearWeights { weight: &matrix, bias: None, norm: None };
            let specs = Linear::default().lower(&bench.lowering(variants, 1), "y", read, (&x, None), &y);
            assert_eq!(counter.loads(&bench, &specs, &shape).await, loads_of_q4_k(n, k, run), "{spread}");
        }
    });
}

/// Of a quad's 256 columns, 32 vec4s of codes, and four of scales for each run.
fn loads_of_q4_k(rows: usize, cols: usize, run: u64) -> u64 {
    (rows / 4 * cols / 256) as u64 * (32 + 4 * 8 / run)
}

/// The matrices of a layer in Q4_K, as they are fused: rows, columns.
const LAYERS: [(&str, [(u32, u32); 4]); 3] = [
    ("Qwen 3 0.6B", [(4096, 1024), (1024, 2048), (6144, 1024), (1024, 3072)]),
    ("Llama 3.2 1B", [(3072, 2048), (2048, 2048), (16_384, 2048), (2048, 8192)]),
    ("Llama 3.2 3B", [(5120, 3072), (3072, 3072), (16_384, 3072), (3072, 8192)]),
];

#[test]
fn a_layer_in_q4_k_loads_at_most_a_twentieth_more_than_is_stored() {
    pollster::block_on(async {
        let bench = Bench::new().await;
        for (model, matrices) in LAYERS {
            let (mut loads, mut stored) = (0, 0);
            for (rows, cols) in matrices {
                let matrix = GpuMatrix::new(&bench.gpu, "weight", Format::Q4_K, rows, cols, &bench.nothing);
                let (x, y) = (bench.room(1, cols as usize), bench.room(1, rows as usize));
                let read = LinearWeights { weight: &matrix, bias: None, norm: None };
                let ctx = bench.lowering(Variants::default(), 1);
                for spec in Linear::default().lower(&ctx, "y", read, (&x, None), &y) {
                    let layout =
                        &PARAMS.iter().find(|(kernel, _)| *kernel == spec.kernel.shader).expect("it is listed").1;
                    let run = layout.members.iter().find(|(name, ..)| *name == "run").expect("a run").2;
                    let run = u32::from_le_bytes(spec.params[run..run + 4].try_into().expect("a word"));
                    loads += loads_of_q4_k(rows as usize, cols as usize, u64::from(run));
                    stored += loads_of_q4_k(rows as usize, cols as usize, 8);
                }
            }
            assert!(loads * 20 <= stored * 21, "{model}: {loads} of {stored}");
        }
    });
}

#[test]
fn keys_and_values_are_loaded_as_often_as_is_declared() {
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        let (heads, kv_heads, head_dim, capacity) = (9, 3, 64, 256);
        let mut random = Random(5);
        for kv in [KvFormat::F32, KvFormat::F16] {
            let bytes = u64::from(kv_heads * capacity * head_dim) * kv.bytes();
            let buffer = || Rc::new(bench.gpu.create_buffer("cache", bytes, Usage::Storage));
            let cache = GpuKvLayer { k: buffer(), v: buffer(), capacity };
            let scores = Rc::new(bench.gpu.create_buffer("scores", score_bytes(64, heads, capacity), Usage::Storage));
            for mask in [Mask::Causal, Mask::Window(64)] {
                let attention = Attention {
                    layer: 0,
                    heads,
                    kv_heads,
                    head_dim,
                    scale: 0.1,
                    mask,
                    soft_cap: 0.0,
                    alibi: 0.0,
                    alibi_bf16: false,
                    bias: None,
                    sinks: None,
                };
                for variants in bench.variants() {
                    let variants = Variants { kv, ..variants };
                    let on_cpu = variants.matvec == Reduce::None;
                    // One row by splits: whole tiles of 16 or 64 positions.
                    let shape = bench.write_step(&step_rows(191..192), 1);
                    let room = partial_bytes(on_cpu, heads, head_dim, capacity);
                    let room = Rc::new(bench.gpu.create_buffer("partials", room, Usage::Storage));
                    let ctx = Lowering { partials: &room, ..bench.lowering(variants, 1) };
                    let operand = |n: u32, random: &mut Random| bench.operand(&random.rows(1, n as usize), 0);
                    let q = operand(heads * head_dim, &mut random);
                    let [k, v] = [(); 2].map(|()| operand(kv_heads * head_dim, &mut random));
                    let op = RopeAttention { attention: attention.clone(), rotary_dim: 0, table: 0 };
                    let y = bench.room(1, (heads * head_dim) as usize);
                    let specs = op.lower(&ctx, "y", &cache, (None, None), [&q, &k, &v], &y);
                    let declared: u64 = specs.iter().map(|spec| (spec.kv_bytes)(&shape)).sum();
                    let (_, loaded) = counter.sums(&bench, &specs, &shape).await;
                    assert_eq!(loaded, declared, "a row, {mask:?}, {variants:?}");
                    // Each key and value once for the query heads that share it.
                    let positions = if mask == Mask::Causal { 192 } else { 64 };
                    assert_eq!(declared, 2 * positions * u64::from(kv_heads * head_dim) * kv.bytes());
                }
                // Many rows, by tiles and by rows.
                let shape = bench.write_step(&step_rows(128..192), 1);
                let (q, y) = (bench.operand(&random.rows(64, 576), 0), bench.room(64, 576));
                for scores in [None, Some(&scores)] {
                    let variants = Variants { kv, ..bench.variants()[0] };
                    let ctx = Lowering { scores, ..bench.lowering(variants, 64) };
                    let specs = attention.lower(&ctx, "y", &cache, Around::default(), (&q, &y));
                    let declared: u64 = specs.iter().map(|spec| (spec.kv_bytes)(&shape)).sum();
                    let (_, loaded) = counter.sums(&bench, &specs, &shape).await;
                    // Tiles and quads of positions reach past the row's own; by rows the causal ones read half of what is declared.
                    let least = if scores.is_some() { declared * 3 / 4 } else { declared };
                    let label = format!("{mask:?}, {kv:?}, scores {}: {loaded} of {declared}", scores.is_some());
                    assert!(loaded >= least && loaded * 10 <= declared * 11, "{label}");
                }
            }
        }
    });
}
