//! Linears of one row with rounded activations.

use doran::ops::linear::activations::Activations;
use doran::ops::linear::{Linear, LinearWeights, f16};
use doran::ops::{CpuMatrix, Reduce, Rows, StepRow, Variants};
use doran::quant::Format;

use super::harness::{Bench, Random, Stored, assert_close};
use super::linear::{SHAPES, TOLERANCE, check_by, tolerance};

/// The device's variants for one row with rounded activations; none in a browser without half floats.
fn rounding_variants(bench: &Bench, activations: Activations) -> Vec<Variants> {
    let capabilities = bench.gpu.capabilities();
    let (has, what) = match activations {
        Activations::F16 => (capabilities.half_floats, "half floats"),
        _ => (capabilities.packed_dot, "dot products of packed bytes"),
    };
    if cfg!(target_arch = "wasm32") && activations == Activations::F16 && !has {
        return Vec::new();
    }
    assert!(has, "this device has no {what}");
    let few = activations == Activations::F16;
    let takes = |variants: &Variants| !few || (variants.matvec_workgroup == 64 && variants.matvec != Reduce::Subgroup);
    bench.variants().into_iter().filter(takes).map(|variants| Variants { activations, ..variants }).collect()
}

/// Kernels that round activations to bytes compute what their own reference does, as tightly as others do, and are no further from
/// the exact result than they say.
pub async fn activations_rounded_to_bytes() {
    activations_rounded(Activations::Int8).await;
}

/// Those that round them to half floats likewise, but for what sums of these lose.
pub async fn activations_rounded_to_half_floats() {
    activations_rounded(Activations::F16).await;
}

async fn activations_rounded(activations: Activations) {
    let bench = Bench::new().await;
    let variants = rounding_variants(&bench, activations);
    if variants.is_empty() {
        return;
    }
    // One of each kind in the browser, where kernels take long to compile, and of half floats, which llvmpipe takes long for.
    let few = [Format::F32, Format::Q4_1, Format::Q6_K, Format::Q8_0];
    let all = cfg!(not(target_arch = "wasm32")) && activations == Activations::Int8;
    for format in Format::ALL.into_iter().filter(|format| all || few.contains(format)) {
        let mut furthest = 0.0f32;
        for shape in SHAPES.into_iter().filter(|(tokens, n, _)| *tokens == 1 && *n > 1) {
            let distance = check_by(&bench, &variants, format, shape, activations.name()).await;
            // Of a few results all may be near zero.
            if shape.1 >= 70 {
                furthest = furthest.max(distance);
            }
        }
        println!("{format:?}: {furthest:e} from the exact result");
        let rounds = format.integer_dot().is_some();
        // Formats without such a kernel keep the exact one.
        assert_eq!(furthest > tolerance(format), rounds, "{format:?}: {furthest}");
        assert!(furthest <= activations.tolerance(), "{format:?}: {furthest}");
    }
}

/// Zeros stay zeros, sub-blocks have scales of their own, and what is no number stays visible.
pub async fn rounding_takes_any_activation() {
    for activations in [Activations::F16, Activations::Int8] {
        any_activation(activations).await;
    }
}

async fn any_activation(activations: Activations) {
    let bench = Bench::new().await;
    let (n, k) = (70, 128);
    let step = bench.write_step(&[StepRow { token: 0, slot: 0, position: 0 }], 1);
    for format in [Format::Q4_0, Format::Q4_1, Format::Q5_1, Format::Q8_0] {
        let mut random = Random(3);
        let weight = Stored::random(format, n, k, &mut random);
        let matrix = weight.upload(&bench, 37);
        let mut ordinary = random.rows(1, k);
        ordinary.data[..32].fill(0.0);
        ordinary.data[0] = -0.0;
        ordinary.data[32..64].iter_mut().for_each(|value| *value *= 1e-33);
        ordinary.data[64..96].iter_mut().for_each(|value| *value *= 1e30);
        // So small that 127 over the largest is no number any more: as good as zeros.
        let tiny = Rows { data: ordinary.data.iter().map(|value| value.signum() * 1e-37).collect(), width: k };
        let with = |value: f32| {
            let mut x = ordinary.clone();
            x.data[101] = value;
            x
        };
        for variants in rounding_variants(&bench, activations) {
            let label = format!("{format:?} {variants:?}");
            let product = async |x: &Rows| {
                let y = bench.room(1, n);
                let gpu = LinearWeights { weight: &matrix, bias: None, norm: None };
                let inputs = (&bench.operand(x, 0), None);
                bench.run(Linear::default().lower(&bench.lowering(variants, 1), "y", gpu, inputs, &y), &step);
                bench.read(&y, 1).await
            };
            let read = LinearWeights { weight: &weight as &dyn CpuMatrix, bias: None, norm: None };
            let wanted = Linear::default().reference_rounded(activations, &ordinary, read, None);
            let sums = if activations == Activations::F16 { f16::SUMS } else { 0.0 };
            assert_close(&label, &product(&ordinary).await, &wanted, TOLERANCE + sums);
            assert_eq!(product(&Rows::zeros(1, k)).await, Rows::zeros(1, n), "{label}");
            let of_tiny = product(&tiny).await;
            assert!(of_tiny.data.iter().all(|value| value.abs() < 1e-35), "{label}: {of_tiny:?}");
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let got = product(&with(bad)).await;
                assert!(got.data.iter().all(|value| !value.is_finite()), "{label}: {bad} is lost: {got:?}");
            }
        }
    }
}
