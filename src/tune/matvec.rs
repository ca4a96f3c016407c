//! Matrices times one row: what may be used, whether it is right, and how long it takes.

use std::rc::Rc;

use super::case::{Case, Step, exact_row, norm_row, operand, prepared_operand, row};
use super::probe::{self, Found, Probe};
use super::{Kernels, Precision, TOLERANCE, Tuning, Wanted};
use crate::error::Result;
use crate::gpu::upload::GpuMatrix;
use crate::gpu::{Capabilities, DispatchSpec, Gpu, GpuBuffer, Usage};
use crate::ops::elementwise::Function;
use crate::ops::linear::activations::Activations;
use crate::ops::linear::{Linear, LinearWeights};
use crate::ops::rms_norm::RmsNorm;
use crate::ops::{CpuMatrix, KvFormat, Lowering, Operand, Rows, Variants};
use crate::quant::Format;

/// Rows of the case that is checked, more than one workgroup has, and stored blocks of a row: sub-blocks that no workgroup divides.
const CHECK_SHAPE: (u32, u32) = (72, 3);
/// Rows and columns of the case that is timed: a layer of a model of a billion weights.
const TIMED_SHAPE: (u32, u32) = (2048, 2048);
/// Dispatches of one timing.
const TIMED_DISPATCHES: usize = 16;

/// What may be used on the device, the likeliest first.
pub(super) fn candidates(capabilities: &Capabilities, wanted: &Wanted<'_>) -> Vec<Tuning> {
    let of = |kernels, workgroup| Tuning { kernels, workgroup, norm: kernels, ..Tuning::default() };
    let rows = of(Kernels::Rows, 16);
    let mut all = Vec::new();
    let broadcast = capabilities.subgroup_size == Some(4);
    for broadcast in [broadcast, false] {
        all.push(Tuning { broadcast, ..rows.clone() });
    }
    for workgroup in [64, 32, 128] {
        if capabilities.subgroups {
            all.push(of(Kernels::Subgroup, workgroup));
        }
        all.push(of(Kernels::Workgroup, workgroup));
    }
    let fits = |tuning: &Tuning| match wanted.kernels {
        Some(kernels) => tuning.kernels == kernels,
        None => (tuning.kernels == Kernels::Rows) == capabilities.is_fallback,
    };
    all.retain(fits);
    all.dedup();
    // CPU adapters take 45 cycles for a dot product of packed bytes, and compute half floats in f32, so there these are only for a
    // caller who forces kernels.
    let may_round = wanted.precision == Precision::Fast
        && wanted.formats.iter().any(|format| format.integer_dot().is_some())
        && (wanted.kernels.is_some() || !capabilities.is_fallback);
    let has = [(Activations::Int8, capabilities.packed_dot), (Activations::F16, capabilities.half_floats)];
    let rounding: Vec<_> =
        has.iter().filter(|(_, has)| may_round && *has).map(|(activations, _)| *activations).collect();
    // Where the order is the choice, what the caller asked for comes first; where time is, what it is compared with.
    let each = |exact: Tuning| {
        let rounding = rounding.iter().map(|activations| Tuning { activations: *activations, ..exact.clone() });
        let mut each: Vec<_> = rounding.collect();
        each.insert(if capabilities.is_fallback { each.len() } else { 0 }, exact.clone());
        each
    };
    all.into_iter().flat_map(each).collect()
}

/// The dispatches of a linear with a folded norm, as most of a decoded token's are.
fn lower(
    gpu: &Gpu,
    (tuning, spread): (&Tuning, u32),
    gate: Function,
    matrix: &GpuMatrix,
    x: &Rows,
    (step, nothing): (&Step, &Rc<GpuBuffer>),
) -> (Linear, Operand, Vec<DispatchSpec>) {
    let op = Linear { norm: Some(RmsNorm { weight: 0, eps: 1e-5 }), ..Linear::default() };
    let y = operand(gpu, &Rows::zeros(1, matrix.rows as usize));
    let norm = norm_row(matrix.cols);
    let variants = Variants { spread, ..tuning.variants(KvFormat::F32) };
    let x = if variants.prepares_norms() { prepared_operand(gpu, x, &norm) } else { operand(gpu, x) };
    let norm = operand(gpu, &norm);
    let ctx = Lowering { gate, ..step.lowering(variants, nothing) };
    let read = LinearWeights { weight: matrix, bias: None, norm: Some(&norm.buffer) };
    let specs = op.lower(&ctx, "tune", read, (&x, None), &y);
    (op, y, specs)
}

/// Whether a variant computes what its reference does with matrices of every format, and how far that is from the exact result.
pub(super) async fn check(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<Found> {
    let mut all = Found { right: true, error: 0.0 };
    for format in wanted.formats {
        let found = check_format(gpu, tuning, *format, wanted.gate).await?;
        all = Found { right: all.right && found.right, error: all.error.max(found.error) };
        if !all.right {
            break;
        }
    }
    Ok(all)
}

async fn check_format(gpu: &Gpu, tuning: &Tuning, format: Format, gate: Function) -> Result<Found> {
    let (rows, cols) = (CHECK_SHAPE.0, CHECK_SHAPE.1 * format.block_weights().max(32) as u32);
    let case = Case::new(format, (rows, cols))?;
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let matrix = case.upload(gpu, &nothing).await?;
    let (norm, step) = (norm_row(cols), Step::new(gpu, 1, 0));
    let read = LinearWeights { weight: &case as &dyn CpuMatrix, bias: None, norm: Some(&norm.data[..]) };
    let rounded = format.integer_dot().map_or(Activations::F32, |_| tuning.activations);
    // Half floats add up in an order that is the compiler's: what is right is seen on a row whose sums are exact in any order, and
    // what is lost on one that is rounded.
    let cases = match rounded {
        Activations::F16 => vec![(exact_row(cols), TOLERANCE), (row(cols), f32::INFINITY)],
        _ => vec![(row(cols), TOLERANCE)],
    };
    let mut all = Found { right: true, error: 0.0 };
    // Short runs of sub-blocks, which is what so small a matrix takes, and whole ones.
    let spreads = [Variants::default().spread, 1];
    let spreads = if format.run() > 1 && tuning.kernels != Kernels::Rows { &spreads[..] } else { &spreads[..1] };
    for ((x, tolerance), spread) in cases.iter().flat_map(|case| spreads.iter().map(move |spread| (case, *spread))) {
        let (op, y, specs) = lower(gpu, (tuning, spread), gate, &matrix, x, (&step, &nothing));
        let exact = op.reference(x, read, None);
        let wanted = op.reference_rounded(rounded, x, read, None);
        let found = Probe { specs, shape: step.shape, y, exact, wanted, tolerance: *tolerance }.run(gpu).await?;
        all = Found { right: all.right && found.right, error: all.error.max(found.error) };
    }
    Ok(all)
}

/// Microseconds of a dispatch.
pub(super) async fn time(gpu: &Gpu, tuning: &Tuning, format: Format, gate: Function) -> Result<f64> {
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let (rows, cols) = TIMED_SHAPE;
    let matrix = GpuMatrix::new(gpu, "tune.weight", format, rows, cols, &nothing);
    let (x, step) = (row(cols), Step::new(gpu, 1, 0));
    let spread = Variants::default().spread;
    let lower = |_| lower(gpu, (tuning, spread), gate, &matrix, &x, (&step, &nothing)).2;
    probe::time(gpu, (0..TIMED_DISPATCHES).flat_map(lower).collect(), TIMED_DISPATCHES, &step.shape).await
}

/// What a choice says of this role.
pub(super) fn name(tuning: &Tuning) -> String {
    let Tuning { kernels, workgroup, broadcast, activations, .. } = tuning;
    let mut name = match kernels {
        Kernels::Rows if *broadcast => "rows, with broadcasts".to_owned(),
        Kernels::Rows => "rows".to_owned(),
        kernels => format!("{} {workgroup}", kernels.name()),
    };
    if *activations != Activations::F32 {
        name.push_str(", ");
        name.push_str(activations.name());
    }
    name
}
