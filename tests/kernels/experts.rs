//! Mixtures of experts: routes, experts' linears in every format, sums.

use doran::gpu::device::GpuOptions;
use doran::ops::expert_linear::{ExpertLinear, expert_rows};
use doran::ops::expert_sum::ExpertSum;
use doran::ops::linear::LinearWeights;
use doran::ops::route::{MAX_CHOSEN, ROUTE_WIDTH, Route};
use doran::ops::{Rows, StepRow, row_stride};
use doran::quant::Format;

use super::harness::{Bench, Random, SENTINEL, Stored, assert_close, share, turn};
use super::linear::tolerance;

fn step_rows(n: usize) -> Vec<StepRow> {
    (0..n as u32).map(|i| StepRow { token: 0, slot: 0, position: i }).collect()
}

/// Some experts for each row, whatever their order, and some weights.
fn random_routes(rows: usize, experts: u32, random: &mut Random) -> Rows {
    let mut routes = random.rows(rows, ROUTE_WIDTH as usize);
    for row in routes.data.chunks_exact_mut(ROUTE_WIDTH as usize) {
        row[..MAX_CHOSEN as usize].fill_with(|| (random.bits() % experts) as f32);
    }
    routes
}

/// As many experts as kernels take, or one; equal logits; differences whose exponential is 0; weights of the chosen and of all.
pub async fn routes() {
    let bench = Bench::new().await;
    for (rows, experts, chosen) in [(1, 1, 1), (3, 2, 2), (2, 5, 2), (5, 60, 4), (1, 128, 8), (4, 256, 16)] {
        for scale in [0.0, 1.0, 1e4] {
            for normalised in [false, true] {
                let mut logits = Random(experts as u64).rows(rows, experts);
                // Few values, so that some are equal.
                logits.data.iter_mut().for_each(|v| *v = (*v * 40.0).round() * scale);
                let op = Route { chosen, normalised };
                let mut wanted = op.reference(&logits);
                for row in wanted.data.chunks_exact_mut(MAX_CHOSEN as usize) {
                    row[chosen as usize..].fill(SENTINEL);
                }
                let step = bench.write_step(&step_rows(rows), 1);
                let (gpu_logits, y) = (bench.operand(&logits, 32), bench.room_from(rows, ROUTE_WIDTH as usize, 32));
                bench.run(op.lower("y", &gpu_logits, &y), &step);
                let label = format!("{op:?} of {experts} in {rows} rows × {scale}");
                let got = bench.read(&y, rows).await;
                for (i, (a, b)) in got.data.iter().zip(&wanted.data).enumerate() {
                    assert!((a - b).abs() <= 1e-6, "{label}: value {i} is {a}, not {b}");
                }
            }
        }
    }
}

/// (tokens, experts, chosen, out_features, in_features before they are rounded up to whole blocks, spread)
type Shape = (usize, u32, u32, u32, usize, bool);

const SHAPES: [Shape; 6] = [
    (1, 1, 1, 1, 32, false),
    (1, 4, 2, 40, 96, false),
    (3, 5, 2, 37, 64, true),
    (7, 6, 3, 18, 288, false),
    (2, 9, 8, 130, 96, true),
    (1, 3, 2, 70, 1056, true),
];

/// Rows that are no whole number of sub-blocks, for float formats.
const ODD_SHAPES: [Shape; 2] = [(2, 3, 2, 5, 33, true), (1, 4, 2, 9, 50, false)];

async fn check(bench: &Bench, format: Format, shape: Shape) {
    let (tokens, experts, chosen, n, k, spread) = shape;
    let k = k.next_multiple_of(format.block_weights() as usize);
    let mut random = Random(u64::from(n) * 31 + k as u64);
    let all_rows = (experts * expert_rows(n)) as usize;
    let weight = Stored::random(format, all_rows, k, &mut random);
    let n_blocks = all_rows * k / format.block_weights() as usize;
    let matrix = weight.upload(bench, (n_blocks / 30).max(37) | 1);
    let x = random.rows(tokens, if spread { (chosen * row_stride(k as u32)) as usize } else { k });
    let routes = random_routes(tokens, experts, &mut random);
    let bias: Vec<f32> = (0..all_rows).map(|_| random.unit()).collect();
    let step = bench.write_step(&step_rows(tokens), 1);
    let kernels: Vec<_> =
        bench.variants().into_iter().flat_map(|variants| [(variants, false), (variants, true)]).collect();
    for (variants, has_bias) in share(turn(format), kernels.len()).map(|i| kernels[i]) {
        let op = ExpertLinear { weight: 0, bias: has_bias.then_some(0), experts, chosen, out_features: n, spread };
        let wanted = op.reference(&x, &routes, &weight, has_bias.then_some(&bias[..]));
        let ctx = bench.lowering(variants, if tokens == 1 { 1 } else { 64 });
        let (gpu_x, gpu_routes) = (bench.operand(&x, 40), bench.operand(&routes, 8));
        let y = bench.room_from(tokens, wanted.width, 64);
        let gpu_bias = bench.vector(&bias);
        let gpu = LinearWeights { weight: &matrix, bias: has_bias.then_some(&gpu_bias), norm: None };
        bench.run(op.lower(&ctx, "y", gpu, (&gpu_x, &gpu_routes), &y), &step);
        let label = format!("{format:?} {shape:?} {variants:?} {op:?}");
        let mut got = bench.read(&y, tokens).await;
        for columns in got.data.chunks_exact_mut(row_stride(n) as usize) {
            let (values, rest) = columns.split_at_mut(n as usize);
            let quad_end = expert_rows(n) as usize - values.len();
            assert!(rest[quad_end..].iter().all(|v| *v == SENTINEL), "{label}: written between two experts");
            assert!(!values.contains(&SENTINEL), "{label}: not written");
            rest.fill(0.0);
        }
        assert_close(&label, &got, &wanted, tolerance(format));
        bench.assert_untouched_after(&label, &y, tokens).await;
    }
}

pub async fn experts_in_every_format() {
    let bench = Bench::new().await;
    for format in Format::ALL {
        for shape in SHAPES {
            check(&bench, format, shape).await;
        }
        for shape in ODD_SHAPES.iter().filter(|_| format.is_float()) {
            check(&bench, format, *shape).await;
        }
    }
}

/// Parts end inside experts.
pub async fn experts_in_parts() {
    let bench = Bench::with(GpuOptions { max_binding_bytes: Some(8192), ..GpuOptions::default() }).await;
    for format in Format::ALL {
        check(&bench, format, (1, 4, 2, 70, 576, false)).await;
        check(&bench, format, (5, 7, 3, 37, 288, true)).await;
    }
}

pub async fn expert_sums() {
    let bench = Bench::new().await;
    for (tokens, chosen, width) in [(1, 1, 1), (3, 2, 50), (2, 8, 130), (1, 16, 2048)] {
        for has_residual in [false, true] {
            let mut random = Random(width as u64);
            let x = random.rows(tokens, (chosen * row_stride(width as u32)) as usize);
            let routes = random_routes(tokens, 5, &mut random);
            let residual = random.rows(tokens, width);
            let residual = has_residual.then_some(&residual);
            let op = ExpertSum { chosen, residual: has_residual };
            let wanted = op.reference(&x, &routes, residual, width);
            let step = bench.write_step(&step_rows(tokens), 1);
            let (gpu_x, gpu_routes) = (bench.operand(&x, 32), bench.operand(&routes, 64));
            let gpu_residual = residual.map(|residual| bench.operand(residual, 8));
            let y = bench.room_from(tokens, width, 32);
            let ctx = bench.lowering(bench.variants()[0], 64);
            bench.run(op.lower(&ctx, "y", (&gpu_x, &gpu_routes), gpu_residual.as_ref(), &y), &step);
            // f32 sums of up to 16 products against f64.
            assert_close(&format!("{op:?} [{tokens}, {width}]"), &bench.read(&y, tokens).await, &wanted, 1e-6);
        }
    }
}
