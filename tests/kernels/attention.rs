//! Cache writes and attention: grouped heads, odd head sizes, windows, several tiles, slots, f32 and f16.

use std::rc::Rc;

use doran::gpu::Usage;
use doran::ops::attention::{Attention, Mask, score_bytes};
use doran::ops::kv_write::{CpuKvLayer, KvWrite};
use doran::ops::rope_attention::{RopeAttention, partial_bytes};
use doran::ops::{GpuKvLayer, KvFormat, Lowering, Reduce, Rows, StepRow, Variants};

use crate::harness::{Bench, Random, assert_close};

struct Case {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    mask: Mask,
    length: u32,
    capacity: u32,
}

async fn check(bench: &Bench, case: &Case, kv: KvFormat, with_scores: bool) {
    let Case { heads, kv_heads, head_dim, mask, length, capacity } = *case;
    let mut random = Random(u64::from(head_dim * 7 + length));
    let slots = 2;
    let len = (slots * kv_heads * capacity * head_dim) as usize;
    let mut cpu = CpuKvLayer { k: vec![0.0; len], v: vec![0.0; len], capacity: capacity as usize, format: kv };
    let padded = u64::from(slots * kv_heads * capacity * head_dim.next_multiple_of(4)) * kv.bytes();
    let buffer = || Rc::new(bench.gpu.create_buffer("cache", padded, Usage::Storage));
    let gpu = GpuKvLayer { k: buffer(), v: buffer(), capacity };
    let variants = Variants { kv, ..bench.variants()[0] };
    let room = bench.gpu.create_buffer("scores", score_bytes(64, heads, capacity), Usage::Storage);
    let room = Rc::new(room);
    let ctx = Lowering { scores: with_scores.then_some(&room), ..bench.lowering(variants, 64) };
    let write = KvWrite { layer: 0, kv_heads, head_dim };
    let attention = Attention { layer: 0, heads, kv_heads, head_dim, scale: 0.3, mask };
    // The prompt in pieces of up to 50, each in slot 1; slot 0 holds something else.
    for first in (0..length).step_by(50) {
        for slot in [0, 1] {
            let rows: Vec<_> =
                (first..length.min(first + 50)).map(|position| StepRow { token: 0, slot, position }).collect();
            let step = bench.write_step(&rows, 1);
            let kv_width = (kv_heads * head_dim) as usize;
            let (k, v) = (random.rows(rows.len(), kv_width), random.rows(rows.len(), kv_width));
            write.reference(&mut cpu, &k, &v, &rows);
            bench.run(write.lower(&ctx, "kv", &gpu, &bench.operand(&k, 32), &bench.operand(&v, 64)), &step);
            let q = random.rows(rows.len(), (heads * head_dim) as usize);
            let wanted = attention.reference(&cpu, &q, &rows);
            let y = bench.room(rows.len(), q.width);
            bench.run(attention.lower(&ctx, "y", &gpu, &bench.operand(&q, 64), &y), &step);
            // Scores, exponentials and sums in f32 against f64; the reference reads the cache as rounded.
            let label = format!(
                "{heads}/{kv_heads} × {head_dim}, {mask:?}, {length}, {kv:?}, slot {slot}, scores {with_scores}"
            );
            assert_close(&label, &bench.read(&y, rows.len()).await, &wanted, 3e-6);
        }
    }
}

pub async fn attention_over_the_cache() {
    let bench = Bench::new().await;
    let case =
        |heads, kv_heads, head_dim, mask, length| Case { heads, kv_heads, head_dim, mask, length, capacity: 200 };
    let cases = [
        case(1, 1, 1, Mask::Causal, 1),
        case(9, 3, 64, Mask::Causal, 130),
        case(4, 4, 6, Mask::Causal, 65),
        case(8, 2, 80, Mask::Causal, 64),
        case(2, 1, 128, Mask::Window(5), 70),
        case(3, 1, 33, Mask::Window(64), 140),
        case(2, 2, 256, Mask::Causal, 20),
        case(14, 2, 8, Mask::Window(9), 130),
        case(5, 1, 12, Mask::Causal, 67),
        // A cache that is full, of no whole quads of positions.
        Case { capacity: 67, ..case(3, 3, 8, Mask::Causal, 67) },
    ];
    for case in cases {
        for kv in [KvFormat::F32, KvFormat::F16] {
            // In one kernel, and, where heads are whole vec4s, in three.
            for with_scores in [false, true] {
                check(&bench, &case, kv, with_scores).await;
            }
        }
    }
}

/// One row at a time, each bringing its own key and value: rotary part, groups of heads, windows, several splits and tiles.
pub async fn attention_in_splits() {
    let bench = Bench::new().await;
    let case =
        |heads, kv_heads, head_dim, mask, length| Case { heads, kv_heads, head_dim, mask, length, capacity: 2200 };
    let cases = [
        (case(1, 1, 4, Mask::Causal, 3), 0),
        (case(9, 3, 64, Mask::Causal, 70), 64),
        (case(12, 1, 80, Mask::Causal, 40), 32),
        (case(2, 1, 128, Mask::Window(5), 20), 128),
        (case(8, 4, 24, Mask::Window(70), 150), 16),
        (case(4, 2, 256, Mask::Causal, 66), 256),
    ];
    for (case, rotary_dim) in cases {
        for kv in [KvFormat::F32, KvFormat::F16] {
            for reduce in [Reduce::None, Reduce::Workgroup] {
                check_splits(&bench, &case, rotary_dim, kv, reduce, 0).await;
            }
        }
    }
    // Far into a context, where a split has several tiles: what lies before is zeros.
    for reduce in [Reduce::None, Reduce::Workgroup] {
        check_splits(&bench, &case(3, 1, 16, Mask::Causal, 4), 16, KvFormat::F32, reduce, 2190).await;
    }
}

async fn check_splits(bench: &Bench, case: &Case, rotary_dim: u32, kv: KvFormat, reduce: Reduce, start: u32) {
    let Case { heads, kv_heads, head_dim, mask, length, capacity } = *case;
    let mut random = Random(u64::from(head_dim * 5 + length));
    let len = (2 * kv_heads * capacity * head_dim) as usize;
    let mut cpu = CpuKvLayer { k: vec![0.0; len], v: vec![0.0; len], capacity: capacity as usize, format: kv };
    let buffer = || Rc::new(bench.gpu.create_buffer("cache", len as u64 * kv.bytes(), Usage::Storage));
    let gpu = GpuKvLayer { k: buffer(), v: buffer(), capacity };
    let angle = |i: u32| (i as f32 * 0.37).sin_cos();
    let table: Vec<[f32; 2]> = (0..capacity * rotary_dim / 2).map(|i| [angle(i).1, angle(i).0]).collect();
    let gpu_table = Rc::new(bench.gpu.create_buffer("table", (table.len() as u64 * 8).max(16), Usage::Storage));
    bench.gpu.write(&gpu_table, 0, bytemuck::cast_slice(&table));
    let variants = Variants { kv, matvec: reduce, ..bench.variants()[0] };
    let room = Rc::new(bench.gpu.create_buffer(
        "partials",
        partial_bytes(reduce == Reduce::None, heads, head_dim, capacity),
        Usage::Storage,
    ));
    let ctx = Lowering { partials: &room, ..bench.lowering(variants, 1) };
    let attention = Attention { layer: 0, heads, kv_heads, head_dim, scale: 0.3, mask };
    let op = RopeAttention { attention, rotary_dim, table: 0 };
    let (cpu_table, gpu_table) = ((rotary_dim > 0).then_some(&table[..]), (rotary_dim > 0).then_some(&gpu_table));
    for position in start..start + length {
        let row = [StepRow { token: 0, slot: position % 2, position }];
        let step = bench.write_step(&row, 1);
        let (q, k) = (random.rows(1, (heads * head_dim) as usize), random.rows(1, (kv_heads * head_dim) as usize));
        let v = random.rows(1, k.width);
        let wanted = op.reference(&mut cpu, [&q, &k, &v], cpu_table, &row);
        let (gpu_q, gpu_k, gpu_v) = (bench.operand(&q, 32), bench.operand(&k, 64), bench.operand(&v, 0));
        let y = bench.room(1, q.width);
        bench.run(op.lower(&ctx, "y", &gpu, gpu_table, [&gpu_q, &gpu_k, &gpu_v], &y), &step);
        let label = format!(
            "{heads}/{kv_heads} × {head_dim}, rotary {rotary_dim}, {mask:?}, {kv:?}, {reduce:?}, at {position}"
        );
        assert_close(&label, &bench.read(&y, 1).await, &wanted, 3e-6);
    }
}

/// Keys and values past the largest half float are clamped, not turned into infinity.
pub async fn half_floats_are_clamped() {
    let bench = Bench::new().await;
    let (kv_heads, head_dim, capacity) = (1, 4, 4);
    let variants = Variants { kv: KvFormat::F16, ..bench.variants()[0] };
    let ctx = bench.lowering(variants, 1);
    let buffer = || Rc::new(bench.gpu.create_buffer("cache", 64, Usage::Storage));
    let gpu = GpuKvLayer { k: buffer(), v: buffer(), capacity };
    let row = [StepRow { token: 0, slot: 0, position: 0 }];
    let step = bench.write_step(&row, 1);
    let k = Rows { data: vec![1e6, -1e6, 65504.0, -70000.0], width: 4 };
    let v = Rows { data: vec![-3e38, 3e38, 65519.0, 2e-8], width: 4 };
    bench.run(
        KvWrite { layer: 0, kv_heads, head_dim }.lower(&ctx, "kv", &gpu, &bench.operand(&k, 0), &bench.operand(&v, 0)),
        &step,
    );
    for (cache, values) in [(&gpu.k, k), (&gpu.v, v)] {
        let stored: Vec<u16> = bytemuck::pod_collect_to_vec(&bench.read_bytes(cache).await);
        let stored: Vec<f32> = stored[..4].iter().map(|bits| half::f16::from_bits(*bits).to_f32()).collect();
        let wanted: Vec<f32> = values.data.iter().map(|value| KvFormat::F16.round(*value)).collect();
        assert_eq!(stored, wanted);
    }
}
