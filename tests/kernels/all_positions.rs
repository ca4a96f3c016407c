//! Attention over all positions of a text, with biases by distance and without, and what a text's rows come to.

use std::rc::Rc;

use doran::gpu::{StepShape, Usage};
use doran::ops::attention::{Around, Attention, Mask, PositionBias, score_bytes};
use doran::ops::kv_write::{CpuKvLayer, KvWrite};
use doran::ops::{GpuKvLayer, KvFormat, Lowering, Operand, Rows, StepRow, Variants, pool};

use super::harness::{Bench, Random, assert_close};

const CAPACITY: u32 = 140;

#[derive(Clone, Copy, Debug)]
struct Case {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    mask: Mask,
    /// Positions in the cache, and how many of them are the source's.
    length: u32,
    source_length: u32,
    /// Distance from which biases stay the same.
    reach: Option<u32>,
}

/// A text that is read at once, and rows elsewhere that look at it; past its end there are numbers that would be seen.
pub async fn attention_over_all_positions() {
    let bench = Bench::new().await;
    let text = |heads, kv_heads, head_dim, length| Case {
        heads,
        kv_heads,
        head_dim,
        mask: Mask::All,
        length,
        source_length: length,
        reach: None,
    };
    let cases = [
        text(1, 1, 4, 1),
        text(12, 12, 32, 130),
        text(4, 4, 8, 7),
        text(3, 1, 9, 67),
        text(2, 2, 256, 20),
        text(6, 2, 64, 65),
        // Fewer than the rows stand at, and more.
        Case { source_length: 5, ..text(4, 2, 16, 60) },
        Case { length: 3, ..text(4, 4, 64, 90) },
        // Biases.
        Case { reach: Some(8), ..text(4, 4, 16, 40) },
        Case { reach: Some(200), ..text(5, 1, 12, 130) },
        Case { reach: Some(3), mask: Mask::Causal, ..text(2, 2, 64, 70) },
        Case { reach: Some(1), mask: Mask::Window(9), ..text(3, 3, 6, 33) },
    ];
    for case in cases {
        for kv in [KvFormat::F32, KvFormat::F16] {
            check(&bench, case, kv).await;
        }
    }
}

async fn check(bench: &Bench, case: Case, kv: KvFormat) {
    let Case { heads, kv_heads, head_dim, mask, length, source_length, reach } = case;
    let mut random = Random(u64::from(head_dim * 11 + length));
    let nan = vec![f32::NAN; (kv_heads * CAPACITY * head_dim) as usize];
    let mut cpu = CpuKvLayer { k: nan.clone(), v: nan, capacity: CAPACITY as usize, format: kv };
    let padded = u64::from(kv_heads * CAPACITY * head_dim.next_multiple_of(4));
    let buffer = || {
        let buffer = bench.gpu.create_buffer("cache", padded * kv.bytes(), Usage::Storage);
        // Huge in either format. (Kernels for CPU adapters multiply what nobody looks at by zero.)
        bench.gpu.write(&buffer, 0, &vec![0x7a; (padded * kv.bytes()) as usize]);
        Rc::new(buffer)
    };
    let gpu = GpuKvLayer { k: buffer(), v: buffer(), capacity: CAPACITY };
    let variants = Variants { kv, ..bench.variants()[0] };
    let written = length.max(source_length);
    let all: Vec<_> = (0..written).map(|position| StepRow { token: 0, slot: 0, position }).collect();
    let kv_width = (kv_heads * head_dim) as usize;
    let (k, v) = (random.rows(all.len(), kv_width), random.rows(all.len(), kv_width));
    let write = KvWrite { layer: 0, kv_heads, head_dim };
    write.reference(&mut cpu, &k, &v, &all);
    let step = bench.write_step(&all, 1);
    let (k, v) = (bench.operand(&k, 32), bench.operand(&v, 0));
    bench.run(write.lower(&bench.lowering(variants, 256), "kv", &gpu, &k, &v), &step);

    let table = random.rows(heads as usize, 2 * reach.unwrap_or(0) as usize + 1).data;
    let biases = bench.vector(&table);
    let bias = reach.map(|reach| PositionBias { table: 0, reach });
    let op = Attention {
        layer: 0,
        heads,
        kv_heads,
        head_dim,
        scale: 0.3,
        mask,
        soft_cap: 0.0,
        alibi: 0.0,
        alibi_bf16: false,
        bias,
        sinks: None,
    };
    let rows = &all[..length as usize];
    let q = random.rows(rows.len(), (heads * head_dim) as usize);
    let around = Around { source_length, biases: reach.map(|_| table.as_slice()), sinks: None };
    let wanted = op.reference(&cpu, &q, rows, around);
    let shape = StepShape { source_length, ..bench.write_step_about(rows, 1, source_length) };
    let room = Rc::new(bench.gpu.create_buffer("scores", score_bytes(256, heads, CAPACITY), Usage::Storage));
    for scores in [None, Some(&room)] {
        let ctx = Lowering { scores, ..bench.lowering(variants, 256) };
        let y = bench.room(rows.len(), q.width);
        let around = Around { source_length: 0, biases: reach.map(|_| &biases), sinks: None };
        let specs = op.lower(&ctx, "y", &gpu, around, (&bench.operand(&q, 64), &y));
        let keys = (specs[0].kv_bytes)(&shape);
        assert!(keys > 0 && specs.iter().any(|spec| (spec.work)(&shape) > 0));
        bench.run(specs, &shape);
        let label = format!("{case:?} {kv:?}, room for scores: {}", scores.is_some());
        // As in `attention.rs`.
        assert_close(&label, &bench.read(&y, rows.len()).await, &wanted, 3e-6);
        bench.assert_untouched_after(&label, &y, rows.len()).await;
    }
}

/// The mean of the rows and the first of them.
pub async fn a_text_comes_to_its_mean_and_its_first_row() {
    let bench = Bench::new().await;
    for (rows, width) in [(1, 1), (2, 33), (64, 384), (200, 50)] {
        let mut x = Random(width as u64).rows(rows, width);
        x.data.iter_mut().for_each(|value| *value += 0.5);
        let at = |i: usize| StepRow { token: 0, slot: 0, position: i as u32 };
        let step = bench.write_step(&(0..rows).map(at).collect::<Vec<_>>(), 2);
        let y = Operand { outputs: true, ..bench.room(2, width) };
        bench.run(pool::lower(&bench.step, "y", &bench.operand(&x, 32), &y), &step);
        let wanted: Rows = pool::reference(&x);
        assert_eq!(wanted.row(1), x.row(0));
        // f32 sums against f64.
        assert_close(&format!("[{rows}, {width}]"), &bench.read(&y, 2).await, &wanted, 1e-6);
    }
}
