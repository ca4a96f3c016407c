//! Linears of many rows with activations as bytes.

use doran::gpu::device::GpuOptions;
use doran::gpu::{Recording, StepShape};
use doran::ops::linear::activations::Activations;
use doran::ops::linear::{Linear, LinearWeights, int8};
use doran::ops::{CpuMatrix, Lowering, Operand, Reduce, Rows, StepRow, Tile, Variants};
use doran::quant::Format;

use super::harness::{Bench, Random, Stored, assert_close};
use super::linear::{TOLERANCE, tolerance};

const BYTES: Variants = Variants {
    matvec: Reduce::Workgroup,
    matvec_workgroup: 64,
    spread: 1,
    broadcast: false,
    activations: Activations::F32,
    matmul: Tile::Int8,
    splits: 32,
    queries: 32,
    norm: Reduce::Workgroup,
    norm_workgroup: 64,
    kv: doran::ops::KvFormat::F32,
};

fn step(bench: &Bench, n_rows: usize, n_outputs: usize) -> StepShape {
    let rows: Vec<_> = (0..n_rows).map(|i| StepRow { token: 0, slot: 0, position: i as u32 }).collect();
    bench.write_step(&rows, n_outputs as u32)
}

/// The largest difference, relative to the largest value that is wanted.
fn distance(got: &Rows, wanted: &Rows) -> f32 {
    let scale = wanted.data.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    got.data.iter().zip(&wanted.data).fold(0.0f32, |most, (a, b)| most.max((a - b).abs() / scale))
}

/// Steps of many rows compute what the reference does that rounds as they do, whole and in parts and pieces; those of few rows, of
/// outputs, and of other formats are exact. One format of each kind of codes: what they unpack is tried for one row.
pub async fn rows_as_bytes() {
    let whole = Bench::new().await;
    let parts = Bench::with(GpuOptions { max_binding_bytes: Some(8192), ..GpuOptions::default() }).await;
    // Two in the browser, where kernels take long to compile.
    let formats = [Format::Q4_1, Format::Q8_0, Format::F32, Format::Q6_K];
    for format in formats.into_iter().take(if cfg!(target_arch = "wasm32") { 2 } else { 4 }) {
        for (bench, n, k) in [(&whole, 130, 544), (&whole, 67, 96), (&parts, 130, 256)] {
            let k = usize::next_multiple_of(k, format.block_weights() as usize);
            let mut random = Random(n as u64 * 31 + k as u64);
            let weight = Stored::random(format, n, k, &mut random);
            let matrix = weight.upload(bench, (n * k / format.block_weights() as usize / 30).max(37) | 1);
            let (x, residual) = (random.rows(64, k), random.rows(64, n));
            let bias: Vec<f32> = (0..n.next_multiple_of(4)).map(|_| random.unit()).collect();
            let op = Linear { bias: Some(0), residual: true, ..Linear::default() };
            let read = LinearWeights { weight: &weight as &dyn CpuMatrix, bias: Some(&bias[..n]), norm: None };
            let exact = op.reference(&x, read, Some(&residual));
            let rounded = op.reference_rounded(Activations::Int8, &x, read, Some(&residual));
            let rounds = format.integer_dot().is_some();
            for (outputs, max_work) in [(false, u64::MAX), (false, 1), (true, u64::MAX)] {
                let gpu_x = Operand { outputs, ..bench.operand(&x, 40) };
                let y = Operand { outputs, ..bench.room_from(64, n, 64) };
                let (gpu_bias, gpu_residual) = (bench.vector(&bias), bench.operand(&residual, 8));
                let gpu = LinearWeights { weight: &matrix, bias: Some(&gpu_bias), norm: None };
                let ctx = Lowering { max_work, ..bench.lowering(BYTES, 64) };
                let specs = op.lower(&ctx, "y", gpu, (&gpu_x, Some(&gpu_residual)), &y);
                let recording = Recording::new(&bench.gpu, "test", specs).expect("binds");
                for rows in [2, 8, 9, 33, 64] {
                    let label = format!("{format:?} {n} × {k}, {rows} rows, outputs {outputs}, at most {max_work}");
                    let shape = if outputs { step(bench, 64, rows) } else { step(bench, rows, 1) };
                    let before = bench.gpu.counts().dispatches;
                    bench.gpu.submit(&recording, 0..recording.len(), &shape, None);
                    let in_bytes = rounds && rows > 8 && !outputs;
                    if max_work > 1 {
                        let dispatches = bench.gpu.counts().dispatches - before;
                        assert_eq!(dispatches, matrix.parts.len() as u64 + u64::from(in_bytes), "{label}");
                    }
                    let first = |all: &Rows| Rows { data: all.data[..rows * n].to_vec(), width: n };
                    let (exact, rounded) = (first(&exact), first(&rounded));
                    let got = bench.read(&y, rows).await;
                    assert_close(&label, &got, if in_bytes { &rounded } else { &exact }, tolerance(format));
                    let error = distance(&got, &exact);
                    assert!(error <= int8::TOLERANCE, "{label}: {error}");
                    assert_eq!(error > 10.0 * tolerance(format), in_bytes, "{label}: {error}");
                    bench.assert_untouched_after(&label, &y, rows).await;
                    bench.clear(&y);
                }
            }
        }
    }
}

/// What is no number stays visible in its row, and in no other.
pub async fn rows_as_bytes_take_any_activation() {
    let bench = Bench::new().await;
    let (n, k) = (70, 128);
    for format in [Format::Q4_0, Format::Q5_1, Format::Q8_0] {
        let mut random = Random(3);
        let weight = Stored::random(format, n, k, &mut random);
        let matrix = weight.upload(&bench, 37);
        let mut x = random.rows(12, k);
        x.row_mut(0).fill(0.0);
        x.row_mut(1)[..64].iter_mut().for_each(|value| *value *= 1e30);
        x.row_mut(2)[64..].iter_mut().for_each(|value| *value *= 1e-33);
        let read = LinearWeights { weight: &weight as &dyn CpuMatrix, bias: None, norm: None };
        let wanted = Linear::default().reference_rounded(Activations::Int8, &x, read, None);
        for (row, bad) in [(7, f32::NAN), (11, f32::INFINITY), (3, f32::NEG_INFINITY)] {
            let mut x = x.clone();
            x.row_mut(row)[101] = bad;
            let y = bench.room(12, n);
            let gpu = LinearWeights { weight: &matrix, bias: None, norm: None };
            let specs =
                Linear::default().lower(&bench.lowering(BYTES, 64), "y", gpu, (&bench.operand(&x, 0), None), &y);
            bench.run(specs, &step(&bench, 12, 1));
            let got = bench.read(&y, 12).await;
            let label = format!("{format:?} {bad}");
            assert!(got.row(row).iter().all(|value| !value.is_finite()), "{label} is lost: {:?}", got.row(row));
            for i in (0..12).filter(|i| *i != row) {
                let one = |rows: &Rows| Rows { data: rows.row(i).to_vec(), width: n };
                assert_close(&format!("{label}, row {i}"), &one(&got), &one(&wanted), TOLERANCE);
            }
            assert!(got.row(0).iter().all(|value| *value == 0.0));
        }
    }
}
