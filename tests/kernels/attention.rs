//! Cache writes and attention: grouped heads, odd head sizes, windows, several tiles, slots, f32 and f16.

use std::rc::Rc;

use doran::gpu::{StepShape, Usage};
use doran::ops::attention::{Around, Attention, Mask, score_bytes};
use doran::ops::kv_write::{CpuKvLayer, KvWrite};
use doran::ops::rope_attention::{RopeAttention, partial_bytes};
use doran::ops::{GpuKvLayer, KvFormat, Lowering, Reduce, Rows, StepRow, Variants};

use super::harness::{Bench, Random, assert_close};

/// Which kernels compute it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernels {
    /// `attention_tile`.
    Tile,
    /// `attention_scores`, `_softmax` and `_values`, where heads are whole vec4s.
    Scores,
}

const KERNELS: [Kernels; 2] = [Kernels::Tile, Kernels::Scores];

#[derive(Clone, Copy)]
struct Case {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    mask: Mask,
    length: u32,
    capacity: u32,
    /// Soft cap, and factor of linear biases: negative for rounded ones.
    adjusted: (f32, f32),
    /// Whether heads have sinks.
    sinks: bool,
}

impl Case {
    /// Sinks as large as scores are, larger, and far below.
    fn sinks(&self) -> Option<Vec<f32>> {
        self.sinks.then(|| (0..self.heads).map(|head| [0.5, 4.0, -50.0, 90.0, -1.0][head as usize % 5]).collect())
    }
}

/// Scores as they are.
const PLAIN: (f32, f32) = (0.0, 0.0);

/// A cache of two slots on both sides.
struct Both<'a> {
    bench: &'a Bench,
    case: Case,
    kv: KvFormat,
    cpu: CpuKvLayer,
    gpu: GpuKvLayer,
}

impl<'a> Both<'a> {
    fn new(bench: &'a Bench, case: Case, kv: KvFormat) -> Self {
        let positions = 2 * case.kv_heads * case.capacity;
        let zeros = vec![0.0; (positions * case.head_dim) as usize];
        let cpu = CpuKvLayer { k: zeros.clone(), v: zeros, capacity: case.capacity as usize, format: kv };
        let padded = u64::from(positions * case.head_dim.next_multiple_of(4)) * kv.bytes();
        let buffer = || Rc::new(bench.gpu.create_buffer("cache", padded, Usage::Storage));
        let gpu = GpuKvLayer { k: buffer(), v: buffer(), capacity: case.capacity };
        Self { bench, case, kv, cpu, gpu }
    }

    fn lowering(&self) -> Lowering<'a> {
        self.bench.lowering(Variants { kv: self.kv, ..self.bench.variants()[0] }, 64)
    }

    fn attention(&self) -> Attention {
        let Case { heads, kv_heads, head_dim, mask, adjusted: (soft_cap, alibi), .. } = self.case;
        let sinks = self.case.sinks.then_some(0);
        // Those whose factor is negative are rounded.
        let (alibi, alibi_bf16) = (alibi.abs(), alibi < 0.0);
        Attention {
            layer: 0,
            heads,
            kv_heads,
            head_dim,
            scale: 0.3,
            mask,
            soft_cap,
            alibi,
            alibi_bf16,
            bias: None,
            sinks,
        }
    }

    fn kv_width(&self) -> usize {
        (self.case.kv_heads * self.case.head_dim) as usize
    }

    fn write(&mut self, rows: &[StepRow], k: &Rows, v: &Rows) {
        let step = self.bench.write_step(rows, 1);
        let write = KvWrite { layer: 0, kv_heads: self.case.kv_heads, head_dim: self.case.head_dim };
        write.reference(&mut self.cpu, k, v, rows);
        let (k, v) = (self.bench.operand(k, 32), self.bench.operand(v, 64));
        self.bench.run(write.lower(&self.lowering(), "kv", &self.gpu, &k, &v), &step);
    }

    /// Attention of these rows by one choice of kernels, compared with the reference.
    async fn check(&self, rows: &[StepRow], q: &Rows, kernels: Kernels, label: &str) {
        let Case { heads, kv_heads, head_dim, mask, length, capacity, adjusted, sinks } = self.case;
        let room = score_bytes(64, heads, capacity);
        let room = Rc::new(self.bench.gpu.create_buffer("scores", room, Usage::Storage));
        let scores = (kernels == Kernels::Scores).then_some(&room);
        let ctx = Lowering { scores, ..self.lowering() };
        let step = self.bench.write_step(rows, 1);
        let (cpu_sinks, q_on_gpu) = (self.case.sinks(), self.bench.operand(q, 64));
        let gpu_sinks = cpu_sinks.as_ref().map(|sinks| self.bench.vector(sinks));
        let around = Around { sinks: cpu_sinks.as_deref(), ..Around::default() };
        let wanted = self.attention().reference(&self.cpu, q, rows, around);
        // Whole, and cut into as many dispatches as there are pairs of rows or tiles at most.
        for max_work in [ctx.max_work, 1] {
            let ctx = Lowering { max_work, ..ctx };
            let y = self.bench.room(rows.len(), q.width);
            let around = Around { sinks: gpu_sinks.as_ref(), ..Around::default() };
            let specs = self.attention().lower(&ctx, "y", &self.gpu, around, (&q_on_gpu, &y));
            let declared: u64 = specs.iter().map(|spec| (spec.work)(&step)).sum();
            let busy = specs.iter().filter(|spec| !(spec.grid)(&step).contains(&0)).count();
            self.bench.run(specs, &step);
            // Scores, exponentials and sums in f32 against f64; the reference reads the cache as rounded.
            let case = format!(
                "{heads}/{kv_heads} × {head_dim}, {mask:?}, {length}, {adjusted:?}, sinks {sinks}, {:?}, {kernels:?}, {label}, {max_work}",
                self.kv
            );
            assert_close(&case, &self.bench.read(&y, rows.len()).await, &wanted, 3e-6);
            self.bench.assert_untouched_after(&case, &y, rows.len()).await;
            let whole = 2 * u64::from(heads * head_dim) * rows.len() as u64 * u64::from(step.kv_length);
            assert!(declared <= whole && declared + whole / 8 + 64 >= whole, "{case}: {declared} of {whole}");
            let n_rows = rows.len();
            match kernels {
                Kernels::Scores if max_work == 1 && head_dim % 4 == 0 && adjusted == PLAIN => {
                    assert_eq!(busy, 2 * n_rows.div_ceil(2) + 1, "{case}");
                }
                // No tile has more than 32 queries.
                _ if max_work == 1 => assert!(busy >= n_rows * (heads / kv_heads) as usize / 32, "{case}: {busy}"),
                _ => {}
            }
        }
    }
}

fn rows_of(slot: u32, positions: std::ops::Range<u32>) -> Vec<StepRow> {
    positions.map(|position| StepRow { token: 0, slot, position }).collect()
}

/// The prompt in pieces of up to 50, each in both slots.
async fn check(bench: &Bench, case: Case, kv: KvFormat) {
    let mut random = Random(u64::from(case.head_dim * 7 + case.length));
    let mut both = Both::new(bench, case, kv);
    let q_width = (case.heads * case.head_dim) as usize;
    for first in (0..case.length).step_by(50) {
        for slot in [0, 1] {
            let rows = rows_of(slot, first..case.length.min(first + 50));
            let (k, v) = (random.rows(rows.len(), both.kv_width()), random.rows(rows.len(), both.kv_width()));
            both.write(&rows, &k, &v);
            let q = random.rows(rows.len(), q_width);
            for kernels in KERNELS {
                both.check(&rows, &q, kernels, &format!("slot {slot}")).await;
            }
        }
    }
}

pub async fn attention_over_the_cache() {
    let bench = Bench::new().await;
    let case = |heads, kv_heads, head_dim, mask, length| Case {
        heads,
        kv_heads,
        head_dim,
        mask,
        length,
        capacity: 200,
        adjusted: PLAIN,
        sinks: false,
    };
    let cases = [
        case(1, 1, 1, Mask::Causal, 1),
        case(9, 3, 64, Mask::Causal, 130),
        case(4, 4, 6, Mask::Causal, 65),
        case(8, 2, 80, Mask::Causal, 64),
        case(2, 1, 128, Mask::Window(5), 70),
        case(3, 1, 33, Mask::Window(64), 140),
        case(2, 2, 256, Mask::Causal, 20),
        case(6, 2, 196, Mask::Window(11), 60),
        case(14, 2, 8, Mask::Window(9), 130),
        case(5, 1, 12, Mask::Causal, 67),
        // Soft caps, and linear biases for heads that are a power of two and for others.
        Case { adjusted: (1.5, 0.0), ..case(4, 2, 16, Mask::Window(8), 70) },
        Case { adjusted: (0.0, 1.0), ..case(8, 8, 64, Mask::Causal, 60) },
        Case { adjusted: (0.0, 0.35), ..case(7, 1, 9, Mask::Causal, 80) },
        // Rounded positions: beyond 256 not all are bfloat16s.
        Case { adjusted: (0.0, -0.35), capacity: 340, ..case(6, 2, 12, Mask::Causal, 330) },
        Case { sinks: true, ..case(6, 2, 16, Mask::Window(8), 70) },
        Case { sinks: true, ..case(5, 1, 130, Mask::Causal, 60) },
        // A cache that is full, of no whole quads of positions.
        Case { capacity: 67, ..case(3, 3, 8, Mask::Causal, 67) },
    ];
    for case in cases {
        for kv in [KvFormat::F32, KvFormat::F16] {
            check(&bench, case, kv).await;
        }
    }
}

/// Rows of a step in any order of slots and positions: each looks at its own.
pub async fn rows_of_several_slots() {
    let bench = Bench::new().await;
    for (head_dim, mask) in [(8, Mask::Causal), (80, Mask::Window(7)), (132, Mask::Causal)] {
        let case =
            Case { heads: 6, kv_heads: 2, head_dim, mask, length: 40, capacity: 40, adjusted: PLAIN, sinks: false };
        let mut random = Random(u64::from(head_dim));
        let mut both = Both::new(&bench, case, KvFormat::F32);
        for slot in [0, 1] {
            let rows = rows_of(slot, 0..40);
            let (k, v) = (random.rows(40, both.kv_width()), random.rows(40, both.kv_width()));
            both.write(&rows, &k, &v);
        }
        let at = |(slot, position): (u32, u32)| StepRow { token: 0, slot, position };
        let rows =
            [(0, 0), (0, 39), (0, 17), (1, 3), (0, 20), (0, 21), (1, 39), (1, 0), (1, 30), (0, 5), (1, 6)].map(at);
        let q = random.rows(rows.len(), (case.heads * head_dim) as usize);
        for kernels in KERNELS {
            both.check(&rows, &q, kernels, "several slots").await;
        }
    }
}

/// What is read of the cache: nothing past the last row's position or before the first row's window, and no more than is
/// counted.
pub async fn attention_reads_the_window_only() {
    let bench = Bench::new().await;
    for (heads, kv_heads, head_dim, window, n_rows) in
        [(6, 2, 64, 0, 64), (6, 2, 64, 9, 1), (9, 3, 64, 17, 50), (2, 2, 128, 20, 33), (4, 1, 256, 3, 9)]
    {
        let mask = if window == 0 { Mask::Causal } else { Mask::Window(window) };
        let case = Case { heads, kv_heads, head_dim, mask, length: 130, capacity: 200, adjusted: PLAIN, sinks: false };
        let mut random = Random(u64::from(head_dim));
        let mut both = Both::new(&bench, case, KvFormat::F32);
        // The first rows stand at `start`; around what they may read there is nothing but NaN.
        let start = 100;
        let begin = if window == 0 { 0 } else { start + 1 - window };
        let nowhere = Rows { data: vec![f32::NAN; 50 * both.kv_width()], width: both.kv_width() };
        for first in (0..200).step_by(50) {
            both.write(&rows_of(0, first..first + 50), &nowhere, &nowhere);
        }
        for first in (begin..start + n_rows).step_by(50) {
            let rows = rows_of(0, first..(start + n_rows).min(first + 50));
            let (k, v) = (random.rows(rows.len(), both.kv_width()), random.rows(rows.len(), both.kv_width()));
            both.write(&rows, &k, &v);
        }
        let rows = rows_of(0, start..start + n_rows);
        let q = random.rows(rows.len(), (heads * head_dim) as usize);
        both.check(&rows, &q, Kernels::Tile, "amid NaN").await;

        // Queries of a tile: rows by the heads of a KV head, as many as fill 512 vec4s.
        let queries = (512 / head_dim.div_ceil(4)) as usize;
        let of_heads: Vec<_> = rows.iter().flat_map(|row| (0..heads / kv_heads).map(|_| row.position)).collect();
        let positions: u64 = of_heads
            .chunks(queries)
            .map(|tile| {
                let first = if window == 0 { 0 } else { (tile[0] + 1).saturating_sub(window) };
                u64::from(tile[tile.len() - 1] + 1 - first)
            })
            .sum();
        let shape = StepShape { n_rows, n_outputs: 1, kv_length: start + n_rows, ..StepShape::default() };
        let y = bench.room(rows.len(), q.width);
        let operands = (&bench.operand(&q, 0), &y);
        let spec = &both.attention().lower(&both.lowering(), "y", &both.gpu, Around::default(), operands)[0];
        assert_eq!((spec.kv_bytes)(&shape), positions * u64::from(kv_heads * head_dim) * 2 * 4);
        assert_eq!((spec.grid)(&shape), [kv_heads, of_heads.chunks(queries).count() as u32, 1]);
    }
}

/// One row at a time, each bringing its own key and value: rotary part, groups of heads, windows, several splits and tiles.
pub async fn attention_in_splits() {
    let bench = Bench::new().await;
    let case = |heads, kv_heads, head_dim, mask, length| Case {
        heads,
        kv_heads,
        head_dim,
        mask,
        length,
        capacity: 2200,
        adjusted: PLAIN,
        sinks: false,
    };
    let cases = [
        (case(1, 1, 4, Mask::Causal, 3), 0),
        (case(9, 3, 64, Mask::Causal, 70), 64),
        (case(12, 1, 80, Mask::Causal, 40), 32),
        (case(2, 1, 128, Mask::Window(5), 20), 128),
        (case(8, 4, 24, Mask::Window(70), 150), 16),
        (case(4, 2, 256, Mask::Causal, 66), 256),
        (Case { sinks: true, ..case(6, 2, 16, Mask::Window(9), 80) }, 16),
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

/// One row against a full cache, in as many splits as may be chosen: most have several tiles.
pub async fn attention_in_fewer_splits() {
    let bench = Bench::new().await;
    let (heads, kv_heads, head_dim, capacity) = (8u32, 2u32, 64u32, 2200u32);
    let mut random = Random(7);
    let width = kv_heads * capacity * head_dim;
    let mut values = || random.rows(1, width as usize).data;
    let mut cpu = CpuKvLayer { k: values(), v: values(), capacity: capacity as usize, format: KvFormat::F32 };
    let upload = |values: &[f32]| {
        let buffer = Rc::new(bench.gpu.create_buffer("cache", values.len() as u64 * 4, Usage::Storage));
        bench.gpu.write(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    };
    let gpu = GpuKvLayer { k: upload(&cpu.k), v: upload(&cpu.v), capacity };
    let room = partial_bytes(false, heads, head_dim, capacity);
    let room = Rc::new(bench.gpu.create_buffer("partials", room, Usage::Storage));
    let (mask, soft_cap, alibi, alibi_bf16, bias, sinks) = (Mask::Causal, 0.0, 0.0, false, None, None);
    let attention =
        Attention { layer: 0, heads, kv_heads, head_dim, scale: 0.125, mask, soft_cap, alibi, alibi_bf16, bias, sinks };
    let op = RopeAttention { attention, rotary_dim: 0, table: 0 };
    let row = [StepRow { token: 0, slot: 0, position: capacity - 1 }];
    let step = bench.write_step(&row, 1);
    let (q, k) = (random.rows(1, (heads * head_dim) as usize), random.rows(1, (kv_heads * head_dim) as usize));
    let v = random.rows(1, k.width);
    let wanted = op.reference(&mut cpu, [&q, &k, &v], (None, None), &row);
    for splits in [32, 16, 8, 1] {
        let variants = Variants { kv: KvFormat::F32, matvec: Reduce::Workgroup, splits, ..bench.variants()[0] };
        let ctx = Lowering { partials: &room, ..bench.lowering(variants, 1) };
        let (gpu_q, gpu_k, gpu_v) = (bench.operand(&q, 0), bench.operand(&k, 0), bench.operand(&v, 0));
        let y = bench.room(1, q.width);
        bench.run(op.lower(&ctx, "y", &gpu, (None, None), [&gpu_q, &gpu_k, &gpu_v], &y), &step);
        assert_close(&format!("{splits} splits"), &bench.read(&y, 1).await, &wanted, 3e-6);
    }
}

async fn check_splits(bench: &Bench, case: &Case, rotary_dim: u32, kv: KvFormat, reduce: Reduce, start: u32) {
    let Case { heads, kv_heads, head_dim, mask, length, capacity, .. } = *case;
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
    let (soft_cap, alibi, alibi_bf16, bias, sinks) = (0.0, 0.0, false, None, case.sinks.then_some(0));
    let attention =
        Attention { layer: 0, heads, kv_heads, head_dim, scale: 0.3, mask, soft_cap, alibi, alibi_bf16, bias, sinks };
    let sinks = case.sinks();
    let gpu_sinks = sinks.as_ref().map(|sinks| bench.vector(sinks));
    let op = RopeAttention { attention, rotary_dim, table: 0 };
    let (cpu_table, gpu_table) = ((rotary_dim > 0).then_some(&table[..]), (rotary_dim > 0).then_some(&gpu_table));
    for position in start..start + length {
        let row = [StepRow { token: 0, slot: position % 2, position }];
        let step = bench.write_step(&row, 1);
        let (q, k) = (random.rows(1, (heads * head_dim) as usize), random.rows(1, (kv_heads * head_dim) as usize));
        let v = random.rows(1, k.width);
        let wanted = op.reference(&mut cpu, [&q, &k, &v], (cpu_table, sinks.as_deref()), &row);
        let (gpu_q, gpu_k, gpu_v) = (bench.operand(&q, 32), bench.operand(&k, 64), bench.operand(&v, 0));
        let y = bench.room(1, q.width);
        bench.run(op.lower(&ctx, "y", &gpu, (gpu_table, gpu_sinks.as_ref()), [&gpu_q, &gpu_k, &gpu_v], &y), &step);
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
