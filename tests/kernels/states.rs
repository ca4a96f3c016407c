//! What goes from position to position by a state: steps of one row and of several, slots by turns, positions that are computed
//! again.

use std::rc::Rc;

use doran::gpu::{DispatchSpec, Usage};
use doran::ops::selective_scan::SelectiveScan;
use doran::ops::short_conv::ShortConv;
use doran::ops::wkv::Wkv;
use doran::ops::{CpuState, GpuState, Lowering, Operand, Rows, STATE_POSITIONS, StepRow};

use super::harness::{Bench, Random, assert_close};

const SLOTS: usize = 2;

/// A state on both sides. What nobody wrote is not zeros.
fn both(bench: &Bench, width: usize, positions: u32) -> (CpuState, GpuState) {
    let n = SLOTS * positions as usize;
    let cpu = CpuState { data: vec![7.0; n * width], positions: positions as usize, width };
    let data = vec![7.0f32; n * width.next_multiple_of(4)];
    let buffer = bench.gpu.create_buffer("state", data.len() as u64 * 4, Usage::Storage);
    bench.gpu.write(&buffer, 0, bytemuck::cast_slice(&data));
    (cpu, GpuState { buffer: Rc::new(buffer), positions })
}

/// Steps of rows as (slot, first position, rows): two slots by turns and in one step, back by as much as is kept, and from the
/// beginning.
fn steps() -> Vec<Vec<StepRow>> {
    let back = STATE_POSITIONS - 1;
    let runs: [&[(u32, u32, u32)]; 8] = [
        &[(0, 0, 1)],
        &[(0, 1, 40)],
        &[(1, 0, 3), (0, 41, 2)],
        &[(1, 3, 1)],
        &[(0, 43, 1)],
        &[(0, 44 - back, 5)],
        &[(1, 4, 1), (0, 42, 1), (1, 5, 1)],
        &[(0, 0, 12)],
    ];
    let rows = |run: &(u32, u32, u32)| {
        let (slot, first, n) = *run;
        (first..first + n).map(move |position| StepRow { token: 0, slot, position })
    };
    runs.iter().map(|runs| runs.iter().flat_map(rows).collect()).collect()
}

/// Runs all steps of an op whose inputs have these widths, and compares each with the reference.
async fn check(
    bench: &Bench,
    label: &str,
    (widths, tolerance): (&[usize], f32),
    mut reference: impl FnMut(&[Rows], &[StepRow]) -> Rows,
    lower: impl Fn(&Lowering<'_>, &[Operand], &Operand) -> Vec<DispatchSpec>,
) {
    let mut random = Random(widths.iter().sum::<usize>() as u64);
    for (i, rows) in steps().iter().enumerate() {
        let mut inputs: Vec<Rows> = widths.iter().map(|width| random.rows(rows.len(), *width)).collect();
        // What exponentials and logarithms are taken of is small and large.
        if let Some(second) = inputs.get_mut(1) {
            second.data.iter_mut().enumerate().for_each(|(i, v)| *v *= [1.0, 12.0, 40.0][i % 3]);
        }
        let wanted = reference(&inputs, rows);
        let step = bench.write_step(rows, 1);
        let operands: Vec<Operand> = inputs.iter().zip([32, 64, 8]).map(|(x, lead)| bench.operand(x, lead)).collect();
        let y = bench.room_from(rows.len(), wanted.width, 32);
        bench.run(lower(&bench.lowering(bench.variants()[0], 64), &operands, &y), &step);
        let label = format!("{label} {widths:?}, step {i}");
        assert_close(&label, &bench.read(&y, rows.len()).await, &wanted, tolerance);
        bench.assert_untouched_after(&label, &y, rows.len()).await;
    }
}

fn vector(len: usize, random: &mut Random) -> Vec<f32> {
    (0..len.next_multiple_of(32)).map(|_| random.unit()).collect()
}

pub async fn short_convolutions() {
    let bench = Bench::new().await;
    for (channels, taps) in [(1, 1), (50, 3), (130, 4), (33, 9)] {
        for has_bias in [false, true] {
            for mixes in [false, true].into_iter().filter(|mixes| !mixes || taps == 3 && !has_bias) {
                let taps = if mixes { 2 } else { taps };
                let mut random = Random(channels as u64);
                let len = if mixes { channels } else { channels * taps as usize };
                let (weight, bias) = (vector(len, &mut random), vector(channels, &mut random));
                let (gpu_weight, gpu_bias) = (bench.vector(&weight), bench.vector(&bias));
                let (mut cpu, gpu) = both(&bench, channels, taps - 1 + STATE_POSITIONS);
                let bias = has_bias.then_some(&bias[..]);
                let op = ShortConv { state: 0, weight: 0, bias: bias.map(|_| 0), taps, mixes };
                let reference = |x: &[Rows], rows: &[StepRow]| op.reference(&mut cpu, &x[0], (&weight, bias), rows);
                let lower = |ctx: &Lowering<'_>, x: &[Operand], y: &Operand| {
                    op.lower(ctx, "y", &gpu, (&gpu_weight, has_bias.then_some(&gpu_bias)), (&x[0], y))
                };
                // f32 sums of up to nine products.
                check(&bench, &format!("{op:?}"), (&[channels], 1e-6), reference, lower).await;
            }
        }
    }
}

pub async fn selective_scans() {
    let bench = Bench::new().await;
    for (channels, state_size) in [(1, 1), (50, 16), (33, 5)] {
        let mut random = Random(channels as u64);
        let (mut a, d) = (vector(channels * state_size, &mut random), vector(channels, &mut random));
        a.iter_mut().for_each(|v| *v *= 3.0);
        let a_is_log = state_size != 5;
        if !a_is_log {
            a.iter_mut().for_each(|v| *v = -v.abs());
        }
        let (gpu_a, gpu_d) = (bench.vector(&a), bench.vector(&d));
        let (mut cpu, gpu) = both(&bench, channels * state_size, STATE_POSITIONS);
        let op = SelectiveScan { state: 0, a: 0, a_is_log, d: 0, state_size: state_size as u32 };
        let reference = |x: &[Rows], rows: &[StepRow]| op.reference(&mut cpu, [&x[0], &x[1], &x[2]], (&a, &d), rows);
        let lower = |ctx: &Lowering<'_>, x: &[Operand], y: &Operand| {
            op.lower(ctx, "y", &gpu, [&x[0], &x[1], &x[2]], (&gpu_a, &gpu_d), y)
        };
        // Exponentials and sums in f32 against f64, over up to forty positions.
        check(&bench, "scan", (&[channels, channels, 2 * state_size], 5e-6), reference, lower).await;
    }
}

pub async fn decaying_averages() {
    let bench = Bench::new().await;
    for channels in [1, 50, 131] {
        let mut random = Random(channels as u64);
        let (decay, first) = (vector(channels, &mut random), vector(channels, &mut random));
        let (gpu_decay, gpu_first) = (bench.vector(&decay), bench.vector(&first));
        let (mut cpu, gpu) = both(&bench, 3 * channels, STATE_POSITIONS);
        let op = Wkv { state: 0, decay: 0, first: 0 };
        let reference = |x: &[Rows], rows: &[StepRow]| op.reference(&mut cpu, [&x[1], &x[0]], (&decay, &first), rows);
        let lower = |ctx: &Lowering<'_>, x: &[Operand], y: &Operand| {
            op.lower(ctx, "y", &gpu, [&x[1], &x[0]], (&gpu_decay, &gpu_first), y)
        };
        // Exponents of up to 40 are kept in f32, with an ulp of 4e-6.
        check(&bench, "wkv", (&[channels, channels], 1e-5), reference, lower).await;
    }
}
