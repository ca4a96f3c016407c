//! Ops on rows: norm, rotary embedding, element-wise functions, selection, argmax.

use doran::ops::elementwise::Function;
use doran::ops::norm::Norm;
use doran::ops::rms_norm::RmsNorm;
use doran::ops::rope::Rope;
use doran::ops::{Operand, StepRow, select_rows};

use super::harness::{Bench, Random, assert_close};

fn step_rows(n: usize) -> Vec<StepRow> {
    (0..n as u32).map(|i| StepRow { token: i, slot: 0, position: i * 3 }).collect()
}

pub async fn rms_norm() {
    let bench = Bench::new().await;
    for variants in bench.variants() {
        for (rows, width) in [(1, 1), (1, 576), (3, 33), (5, 50), (2, 2048)] {
            let mut random = Random(width as u64);
            for scale in [1.0, 1e-4, 1e4, 0.0] {
                let mut x = random.rows(rows, width);
                x.data.iter_mut().for_each(|v| *v *= scale);
                let weight: Vec<f32> = (0..width.next_multiple_of(32)).map(|_| random.unit()).collect();
                let op = RmsNorm { weight: 0, eps: 1e-5 };
                let wanted = op.reference(&x, &weight);
                let step = bench.write_step(&step_rows(rows), 1);
                let (gpu_x, y) = (bench.operand(&x, 32), bench.room(rows, width));
                // No more rows than there is room for: invocations work at four of them.
                let ctx = bench.lowering(variants, rows as u32);
                let specs = op.lower(&ctx, "y", &bench.vector(&weight), &gpu_x, &y);
                bench.run(specs, &step);
                // f32 sums of up to 2048 squares against f64.
                let label = format!("{variants:?} [{rows}, {width}] × {scale}");
                assert_close(&label, &bench.read(&y, rows).await, &wanted, 1e-6);
            }
        }
    }
}

/// Layer norms, and norms of heads of any width, with and without weight and bias; means far from 0.
pub async fn norm() {
    let bench = Bench::new().await;
    for variants in bench.variants() {
        for (rows, heads, width) in [(1, 1, 1), (1, 1, 576), (3, 1, 33), (5, 7, 9), (2, 3, 130), (4, 16, 64)] {
            for case in 0..16 {
                let mut random = Random(width as u64 + case);
                let [centred, shared, has_weight, has_bias] = [1, 2, 4, 8].map(|bit| case & bit != 0);
                let mut x = random.rows(rows, heads * width);
                x.data.iter_mut().for_each(|v| *v += 3.0);
                let len = if shared { width } else { heads * width };
                let vector = |random: &mut Random| (0..len.next_multiple_of(32)).map(|_| random.unit()).collect();
                let (weight, bias): (Vec<f32>, Vec<f32>) = (vector(&mut random), vector(&mut random));
                let (weight, bias) = (has_weight.then_some(weight), has_bias.then_some(bias));
                let given = |vector: &Option<Vec<f32>>| vector.as_ref().map(|_| 0);
                let (heads, eps) = (heads as u32, 1e-5);
                let op = Norm { heads, centred, shared, weight: given(&weight), bias: given(&bias), eps };
                let wanted = op.reference(&x, weight.as_deref(), bias.as_deref());
                let step = bench.write_step(&step_rows(rows), 1);
                let (gpu_x, y) = (bench.operand(&x, 32), bench.room(rows, x.width));
                let [weight, bias] = [weight, bias].map(|vector| vector.map(|vector| bench.vector(&vector)));
                let ctx = bench.lowering(variants, rows as u32);
                bench.run(op.lower(&ctx, "y", weight.as_ref(), bias.as_ref(), (&gpu_x, &y)), &step);
                // f32 sums against f64; where the variance is a tenth of the mean's square, a mean off by an ulp shows tenfold.
                let label = format!("{op:?} {variants:?} [{rows}, {heads} × {width}]");
                assert_close(&label, &bench.read(&y, rows).await, &wanted, 3e-6);
            }
        }
    }
}

pub async fn rope() {
    let bench = Bench::new().await;
    for (n_heads, head_dim, rotary_dim) in [(1, 2, 2), (3, 64, 64), (2, 80, 32), (5, 6, 4)] {
        let mut random = Random(u64::from(head_dim));
        let rows = step_rows(4);
        let x = random.rows(rows.len(), (n_heads * head_dim) as usize);
        let half = rotary_dim as usize / 2;
        let table: Vec<[f32; 2]> = (0..64 * half)
            .map(|i| {
                let (sin, cos) = (i as f32 * 0.37).sin_cos();
                [cos, sin]
            })
            .collect();
        let op = Rope { n_heads, head_dim, rotary_dim, table: 0 };
        let wanted = op.reference(&x, &table, &rows);
        let step = bench.write_step(&rows, 1);
        let (gpu_x, y) = (bench.operand(&x, 32), bench.room(rows.len(), x.width));
        let flat: Vec<f32> = table.iter().flatten().copied().collect();
        bench.run(op.lower(&bench.lowering(bench.variants()[0], 64), "y", &bench.vector(&flat), &gpu_x, &y), &step);
        assert_close(&format!("{n_heads} × {head_dim}"), &bench.read(&y, rows.len()).await, &wanted, 2e-7);
    }
}

pub async fn elementwise() {
    let bench = Bench::new().await;
    for function in Function::ALL {
        for (rows, width) in [(1, 1), (3, 50), (2, 1536)] {
            let mut random = Random(width as u64);
            let (mut a, b) = (random.rows(rows, width), random.rows(rows, width));
            // Zeros of both signs, and magnitudes whose exponential overflows.
            for (value, edge) in a.data.iter_mut().skip(1).zip([0.0, -0.0, 90.0, -90.0, 1e4, -1e4]) {
                *value = edge;
            }
            let wanted = function.reference(&a, &b);
            let step = bench.write_step(&step_rows(rows), 1);
            let (gpu_a, gpu_b, y) = (bench.operand(&a, 32), bench.operand(&b, 96), bench.room(rows, width));
            bench.run(function.lower("y", &gpu_a, &gpu_b, &y), &step);
            // WGSL allows exp an error of 3 + 2·|x| ulp (WGSL § 15.7.4).
            assert_close(&format!("{function:?} [{rows}, {width}]"), &bench.read(&y, rows).await, &wanted, 2e-6);
        }
    }
}

pub async fn select_the_last_rows() {
    let bench = Bench::new().await;
    let x = Random(7).rows(5, 33);
    for n_outputs in [1, 3, 5] {
        let step = bench.write_step(&step_rows(5), n_outputs as u32);
        let y = Operand { outputs: true, ..bench.room(n_outputs, 33) };
        let ctx = bench.lowering(bench.variants()[0], 64);
        bench.run(select_rows::lower(&ctx, "y", &bench.operand(&x, 64), &y), &step);
        assert_eq!(bench.read(&y, n_outputs).await, select_rows::reference(&x, n_outputs));
    }
}
