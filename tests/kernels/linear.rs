//! Linear layers and embeddings: every format, edge shapes, bias, residual, matrices in parts.

use doran::gpu::device::GpuOptions;
use doran::gpu::{Recording, StepShape};
use doran::ops::elementwise::Function;
use doran::ops::embedding::{Embedding, TableRow};
use doran::ops::linear::activations::Activations;
use doran::ops::linear::f16;
use doran::ops::linear::{Gate, Linear, LinearWeights};
use doran::ops::rms_norm::RmsNorm;
use doran::ops::{CpuMatrix, Lowering, Operand, Reduce, Rows, StepRow, Tile, Variants, select_rows};
use doran::quant::Format;

use super::harness::{Bench, Random, Stored, assert_close, one_in, share, turn};

/// Rounding of f32 sums of up to 2304 products, relative to the largest result.
pub const TOLERANCE: f32 = 2e-6;

/// Kernels sum up Q6_K's codes as they are stored, 0 to 63, and take 32 times the sum of x off: the sums that are rounded are
/// larger than the result (off by 5.9e-6 of a row of 256 on SwiftShader).
pub fn tolerance(format: Format) -> f32 {
    if format == Format::Q6_K { 4.0 * TOLERANCE } else { TOLERANCE }
}

/// (tokens, out_features, in_features before they are rounded up to whole blocks): one, odd, not a multiple of four, large, more sub-blocks than a workgroup has lanes.
pub const SHAPES: [(usize, usize, usize); 11] = [
    (1, 1, 32),
    (1, 5, 64),
    (1, 70, 96),
    (1, 130, 1536),
    (1, 9, 2080),
    (2, 3, 32),
    (4, 64, 64),
    (7, 33, 96),
    (8, 18, 544),
    (9, 130, 576),
    (34, 67, 96),
];

/// Rows that are no whole number of sub-blocks, for float formats.
const ODD_SHAPES: [(usize, usize, usize); 4] = [(1, 3, 1), (1, 9, 33), (3, 5, 50), (6, 17, 95)];

async fn check(bench: &Bench, format: Format, shape: (usize, usize, usize), label: &str) {
    check_by(bench, &bench.variants(), format, shape, label).await;
}

/// How far kernels that round activations are from the exact results at most, relative to the largest.
pub async fn check_by(
    bench: &Bench,
    all: &[Variants],
    format: Format,
    shape: (usize, usize, usize),
    label: &str,
) -> f32 {
    let mut furthest = 0.0f32;
    let (tokens, n, k) = shape;
    let k = k.next_multiple_of(format.block_weights() as usize);
    let mut random = Random(n as u64 * 31 + k as u64);
    let weight = Stored::random(format, n, k, &mut random);
    // Odd, so that slices begin and end inside rows; large enough that a big matrix comes in some 30 chunks.
    let n_blocks = n * k / format.block_weights() as usize;
    let matrix = weight.upload(bench, (n_blocks / 30).max(37) | 1);
    let x = random.rows(tokens, k);
    let residual = random.rows(tokens, n);
    let bias: Vec<f32> = (0..n.next_multiple_of(4)).map(|_| random.unit()).collect();
    let norm_weight: Vec<f32> = (0..k.next_multiple_of(32)).map(|i| if i < k { random.unit() } else { 0.0 }).collect();
    // A gate takes two halves that start at multiples of 32, of the same width.
    let gate = Gate { function: Function::SiluMul, offset: (n / 2 / 32 * 32) as u32, width: (n / 2 / 32 * 32) as u32 };
    let gates = tokens == 1 && gate.offset > 0 && matrix.parts.len() == 1;
    // Bias, residual, norm, gate.
    let ways = [
        (true, false, false, false),
        (false, true, false, false),
        (true, true, true, false),
        (true, false, false, true),
        (false, false, true, true),
    ];
    let ways: Vec<_> = ways.into_iter().filter(|way| (!way.3 || gates) && (!way.2 || tokens == 1)).collect();
    let kernels: Vec<_> = all.iter().flat_map(|variants| ways.iter().map(|way| (*variants, *way))).collect();
    for (variants, (has_bias, has_residual, has_norm, has_gate)) in
        share(turn(format), kernels.len()).map(|i| kernels[i])
    {
        let norm = has_norm.then_some(RmsNorm { weight: 0, eps: 1e-5 });
        let gate = has_gate.then_some(gate);
        let op = Linear { weight: 0, bias: has_bias.then_some(0), residual: has_residual, norm, gate };
        let residual = has_residual.then_some(&residual);
        let cpu_norm = has_norm.then_some(&norm_weight[..k]);
        let cpu =
            LinearWeights { weight: &weight as &dyn CpuMatrix, bias: has_bias.then_some(&bias[..]), norm: cpu_norm };
        let exact = op.reference(&x, cpu, residual);
        let rounded = format.integer_dot().map_or(Activations::F32, |_| variants.activations);
        let wanted = op.reference_rounded(rounded, &x, cpu, residual);
        // Half floats add up by themselves.
        let sums = if rounded == Activations::F16 { f16::SUMS } else { 0.0 };
        let rows: Vec<StepRow> = (0..tokens as u32).map(|i| StepRow { token: 0, slot: 0, position: i }).collect();
        let step = bench.write_step(&rows, 1);
        let ctx = bench.lowering(variants, if tokens == 1 { 1 } else { 64 });
        let (gpu_x, gpu_y) = (bench.operand(&x, 40), bench.room_from(tokens, wanted.width, 64));
        let (gpu_bias, gpu_norm) = (bench.vector(&bias), bench.vector(&norm_weight));
        let gpu_residual = residual.map(|residual| bench.operand(residual, 8));
        let inputs = (&gpu_x, gpu_residual.as_ref());
        let norm = has_norm.then_some(&gpu_norm);
        let gpu = LinearWeights { weight: &matrix, bias: has_bias.then_some(&gpu_bias), norm };
        bench.run(op.lower(&ctx, "y", gpu, inputs, &gpu_y), &step);
        let label = format!("{label} {format:?} {shape:?} {variants:?} {op:?}");
        let got = bench.read(&gpu_y, tokens).await;
        assert_close(&label, &got, &wanted, tolerance(format) + sums);
        // A gate multiplies two results.
        if !has_gate {
            furthest = furthest.max(difference(&got, &exact));
        }
        if variants.matvec != Reduce::None {
            bench.assert_untouched_after(&label, &gpu_y, tokens).await;
        }
    }
    furthest
}

/// The largest, relative to the largest value that is wanted.
fn difference(got: &Rows, wanted: &Rows) -> f32 {
    let scale = wanted.data.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    got.data.iter().zip(&wanted.data).fold(0.0f32, |most, (a, b)| most.max((a - b).abs() / scale))
}

pub async fn linear_in_every_format() {
    let bench = Bench::new().await;
    for format in Format::ALL {
        for shape in SHAPES {
            check(&bench, format, shape, "linear").await;
        }
        for shape in ODD_SHAPES.iter().filter(|_| format.is_float()) {
            check(&bench, format, *shape, "odd").await;
        }
    }
}

pub async fn a_matrix_larger_than_a_binding_is_split_by_rows() {
    let bench = Bench::with(GpuOptions { max_binding_bytes: Some(8192), ..GpuOptions::default() }).await;
    for i in one_in(4, 0, Format::ALL.len()) {
        check(&bench, Format::ALL[i], (1, 130, 576), "split").await;
        check(&bench, Format::ALL[i], (9, 130, 576), "split").await;
    }
}

/// The layout of GPUs, which no adapter has where tests run: each quad's sub-blocks one after the other.
pub async fn weights_are_laid_out_as_gpus_have_them() {
    let bench = Bench::with(GpuOptions { as_hardware: true, ..GpuOptions::default() }).await;
    let software = Bench::new().await;
    let mut random = Random(9);
    for format in Format::ALL.into_iter().filter(|format| format.block_weights() == 32) {
        let weight = Stored::random(format, 64, 64, &mut random);
        assert_eq!([weight.upload(&bench, 37).together, weight.upload(&software, 37).together], [1, 8], "{format:?}");
        for shape in [(1, 70, 96), (1, 130, 576), (7, 33, 96), (34, 67, 96)] {
            check(&bench, format, shape, "as on GPUs").await;
        }
    }
}

/// A norm that is prepared by whatever makes its input, a linear with residual, an embedding or the choice of rows, is what
/// linears compute by themselves.
pub async fn norms_are_prepared() {
    let bench = Bench::new().await;
    let Some(variants) = bench.variants().into_iter().find(|variants| variants.prepares_norms()) else { return };
    let (op, ctx) = (Linear { residual: true, ..Linear::default() }, bench.lowering(variants, 1));
    let normed = Linear { norm: Some(RmsNorm { weight: 0, eps: 1e-5 }), ..Linear::default() };
    let step = bench.write_step(&[StepRow { token: 3, slot: 0, position: 0 }], 1);
    for format in [Format::F32, Format::Q4_1, Format::Q8_0] {
        for (n, k) in [(576, 96), (40, 64), (33, 32), (1, 32), (1536, 64)] {
            if !format.is_float() && n % 32 != 0 {
                continue;
            }
            let mut random = Random(n as u64 * 7 + k as u64);
            let (first, second) =
                (Stored::random(format, n, k, &mut random), Stored::random(format, 70, n, &mut random));
            let (x, residual) = (random.rows(1, k), random.rows(1, n));
            let norm_weight: Vec<f32> =
                (0..n.next_multiple_of(32)).map(|i| if i < n { random.unit() } else { 0.0 }).collect();
            let (a, b) = (first.upload(&bench, 37), second.upload(&bench, 37));
            let gpu_norm = bench.vector(&norm_weight);
            let read = LinearWeights { weight: &first as &dyn CpuMatrix, bias: None, norm: None };
            let middle = op.reference(&x, read, Some(&residual));
            let cpu = LinearWeights { weight: &second as &dyn CpuMatrix, bias: None, norm: Some(&norm_weight[..n]) };
            let check = async |what: &str, y: &Operand, specs, middle: &Rows| {
                let z = bench.room(1, 70);
                bench.run(specs, &step);
                let gpu = LinearWeights { weight: &b, bias: None, norm: Some(&gpu_norm) };
                bench.run(normed.lower(&ctx, "z", gpu, (y, None), &z), &step);
                let label = format!("{what} {format:?} {n} × {k}");
                assert_close(&label, &bench.read(y, 1).await, middle, TOLERANCE);
                assert_close(&label, &bench.read(&z, 1).await, &normed.reference(middle, cpu, None), 2.0 * TOLERANCE);
            };
            let y = bench.prepared_room(n, &gpu_norm);
            let gpu = LinearWeights { weight: &a, bias: None, norm: None };
            let inputs = (&bench.operand(&x, 0), Some(&bench.operand(&residual, 0)));
            check("linear", &y, op.lower(&ctx, "y", gpu, inputs, &y), &middle).await;
            let y = Operand { outputs: true, ..bench.prepared_room(n, &gpu_norm) };
            check("rows", &y, select_rows::lower(&ctx, "y", &bench.operand(&middle, 8), &y), &middle).await;
            let table = Stored::random(format, 5, n, &mut random);
            let embedding = Embedding { weight: 0, scale: 1.5, row: TableRow::Token };
            let middle = embedding.reference(&table, &[StepRow { token: 3, slot: 0, position: 0 }]);
            let y = bench.prepared_room(n, &gpu_norm);
            check("embedding", &y, embedding.lower(&ctx, "y", &table.upload(&bench, 37), &y), &middle).await;
        }
    }
}

/// More quads of rows than one row of a grid has workgroups, and more units than one row of the repack grid.
pub async fn a_grid_of_several_rows() {
    let bench = Bench::new().await;
    let (n, k) = (131_077, 32);
    let mut random = Random(1);
    let weight = Stored::random(Format::F32, n, k, &mut random);
    let matrix = weight.upload(&bench, n * k);
    let x = random.rows(1, k);
    let op = Linear::default();
    let wanted = op.reference(&x, LinearWeights { weight: &weight, bias: None, norm: None }, None);
    let step = bench.write_step(&[StepRow { token: 0, slot: 0, position: 0 }], 1);
    for variants in bench.variants() {
        let y = bench.room(1, n);
        let gpu = LinearWeights { weight: &matrix, bias: None, norm: None };
        let specs = op.lower(&bench.lowering(variants, 1), "y", gpu, (&bench.operand(&x, 0), None), &y);
        bench.run(specs, &step);
        assert_close(&format!("{variants:?}"), &bench.read(&y, 1).await, &wanted, TOLERANCE);
    }
}

/// One recording serves steps of any number of rows, each with one dispatch a part; rows may be tokens or outputs.
pub async fn kernels_by_the_number_of_rows() {
    let bench = Bench::with(GpuOptions { max_binding_bytes: Some(8192), ..GpuOptions::default() }).await;
    let (n, k) = (140, 96);
    let mut random = Random(5);
    let weight = Stored::random(Format::Q4_1, n, k, &mut random);
    let matrix = weight.upload(&bench, 41);
    let part_bytes: u64 = matrix.parts.iter().map(|part| matrix.part_bytes(part)).sum();
    let x = random.rows(64, k);
    let op = Linear::default();
    let wanted = op.reference(&x, LinearWeights { weight: &weight, bias: None, norm: None }, None);
    let tall = Variants { matmul: Tile::Rows64, ..Variants::default() };
    for variants in bench.variants().into_iter().chain([tall]) {
        for outputs in [false, true] {
            // CPU adapters take rows of outputs one by one.
            let tile_rows = |rows| match (variants.matvec, outputs) {
                (Reduce::None, true) => 1,
                (Reduce::None, false) => 8,
                _ if rows <= 8 => 8,
                _ if variants.matmul == Tile::Rows64 => 64,
                _ => 32,
            };
            let gpu_x = Operand { outputs, ..bench.operand(&x, 40) };
            let y = Operand { outputs, ..bench.room_from(64, n, 64) };
            let gpu = LinearWeights { weight: &matrix, bias: None, norm: None };
            let ctx = bench.lowering(variants, 64);
            let specs = op.lower(&ctx, "y", gpu, (&gpu_x, None), &y);
            let recording = Recording::new(&bench.gpu, "test", specs).expect("binds");
            // Cut into as many dispatches as there are workgroups over the rows of w: the sums of what they declare stay.
            let cut = op.lower(&Lowering { max_work: 1, ..ctx }, "y", gpu, (&gpu_x, None), &y);
            let cut = Recording::new(&bench.gpu, "cut", cut).expect("binds");
            // From few to many, so that what a step leaves of y is seen in the rows after its own.
            for rows in [1, 2, 4, 5, 8, 9, 32, 33, 63, 64] {
                let (n_rows, n_outputs) = if outputs { (64, rows) } else { (rows, 1) };
                let step: Vec<_> = (0..n_rows).map(|i| StepRow { token: 0, slot: 0, position: i as u32 }).collect();
                let shape: StepShape = bench.write_step(&step, n_outputs as u32);
                let before = bench.gpu.counts();
                bench.gpu.submit(&recording, 0..recording.len(), &shape, None);
                let after = bench.gpu.counts();
                let label = format!("{variants:?} {rows} rows, outputs {outputs}");
                assert_eq!(after.dispatches - before.dispatches, matrix.parts.len() as u64, "{label}");
                let tiles = (rows as u64).div_ceil(tile_rows(rows));
                assert_eq!(after.weight_bytes_read - before.weight_bytes_read, part_bytes * tiles, "{label}");
                let wanted = Rows { data: wanted.data[..rows * n].to_vec(), width: n };
                assert_close(&label, &bench.read(&y, rows).await, &wanted, TOLERANCE);
                bench.clear(&y);
                bench.gpu.submit(&cut, 0..cut.len(), &shape, None);
                let pieces = bench.gpu.counts();
                assert!(pieces.dispatches - after.dispatches > matrix.parts.len() as u64, "{label}");
                assert_eq!(pieces.weight_bytes_read - after.weight_bytes_read, part_bytes * tiles, "{label}");
                assert_eq!(cut.work(&shape).iter().sum::<u64>(), recording.work(&shape).iter().sum::<u64>(), "{label}");
                assert_close(&label, &bench.read(&y, rows).await, &wanted, TOLERANCE);
                if variants.matvec != Reduce::None || outputs {
                    bench.assert_untouched_after(&label, &y, rows).await;
                }
            }
        }
    }
}

pub async fn embedding_in_every_format() {
    let whole = Bench::new().await;
    let split = Bench::with(GpuOptions { max_binding_bytes: Some(8192), ..GpuOptions::default() }).await;
    for bench in [&whole, &split] {
        for format in Format::ALL {
            for (vocab, width) in [(1, 32usize), (130, 576), (67, 64)] {
                let mut random = Random(width as u64);
                let width = width.next_multiple_of(format.block_weights() as usize);
                let table = Stored::random(format, vocab, width, &mut random);
                let n_blocks = vocab * width / format.block_weights() as usize;
                let matrix = table.upload(bench, (n_blocks / 30).max(53) | 1);
                let rows: Vec<StepRow> = [0, vocab as u32 - 1, vocab as u32 / 2]
                    .iter()
                    .enumerate()
                    .map(|(i, token)| StepRow { token: *token, slot: 0, position: i as u32 })
                    .collect();
                // By token; one row for all, the last; where the table is long enough by position, and by position but for
                // the first token, and the last.
                let ways = [
                    TableRow::Token,
                    TableRow::Fixed(vocab as u32 - 1),
                    TableRow::Position(2),
                    TableRow::PastPadding(0),
                    TableRow::PastPadding(vocab as u32 / 2),
                ];
                for row in ways.into_iter().take(if vocab > 4 { 5 } else { 2 }) {
                    let op = Embedding { weight: 0, scale: 1.5, row };
                    let wanted: Rows = op.reference(&table, &rows);
                    let step = bench.write_step(&rows, 1);
                    let y = bench.room(rows.len(), width);
                    bench.run(op.lower(&bench.lowering(bench.variants()[0], 64), "y", &matrix, &y), &step);
                    // Unpacking is exact but for the order of scale, minimum and factor.
                    assert_close(&format!("{format:?}"), &bench.read(&y, rows.len()).await, &wanted, 2e-7);
                }
            }
        }
    }
}
