//! Which kernels fit the device. Each variant that may be used is run on a small case and compared with the reference: some
//! drivers compute wrongly. On GPUs those that are right are timed, for no longer than 300 ms; CPU adapters have a
//! fixed order, measured beforehand (`docs/performance.md`). Kernels that round activations to bytes are looked at where the
//! caller allows it, and may be no further from the exact result than they say.

mod case;

use std::rc::Rc;

use serde::Serialize;

use self::case::{Case, norm_row, operand, prepared_operand, row};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::upload::GpuMatrix;
use crate::gpu::{Capabilities, Copy, DispatchSpec, Gpu, GpuBuffer, Recording, StepShape, Usage};
use crate::ops::elementwise::Function;
use crate::ops::linear::{Linear, LinearWeights, int8};
use crate::ops::rms_norm::RmsNorm;
use crate::ops::{CpuMatrix, KvFormat, Lowering, Operand, Reduce, Rows, Variants};
use crate::quant::Format;

/// Timing ends after so long; variants not timed by then are not chosen.
const BUDGET_MS: f64 = 300.0;
/// Rows of the case that is checked, more than one workgroup has, and stored blocks of a row: sub-blocks that no workgroup divides.
const CHECK_SHAPE: (u32, u32) = (72, 3);
/// Rows and columns of the case that is timed: a layer of a model of a billion weights.
const TIMED_SHAPE: (u32, u32) = (2048, 2048);
/// Dispatches of one timing.
const TIMED_DISPATCHES: usize = 16;
/// A kernel that rounds activations is chosen where it is so many times faster: less is within the noise, and not worth it.
const WORTH_ROUNDING: f64 = 1.05;
/// Rounding of f32 sums, relative to the largest result.
const TOLERANCE: f32 = 1e-5;

/// The kernels for matrices times one row, as the caller may force them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// One invocation a row, no cooperation: for CPU adapters.
    Rows,
    /// Cooperation through workgroup memory.
    Workgroup,
    /// Cooperation by subgroup operations.
    Subgroup,
}

impl Kernels {
    /// By name, as options and stored choices spell it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "rows" => Some(Self::Rows),
            "workgroup" => Some(Self::Workgroup),
            "subgroup" => Some(Self::Subgroup),
            _ => None,
        }
    }
}

/// How exactly linears of one row are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In f32.
    #[default]
    Exact,
    /// With activations rounded to bytes, where that is right and faster ([`int8::TOLERANCE`]).
    Fast,
}

impl Precision {
    /// By name, as options spell it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "exact" => Some(Self::Exact),
            "fast" => Some(Self::Fast),
            _ => None,
        }
    }
}

/// What is asked of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Formats of the model's matrices, the commonest first.
    pub formats: &'a [Format],
    /// The gate of the model.
    pub gate: Function,
    /// The kernels that the caller forces.
    pub kernels: Option<Kernels>,
    /// What the caller allows.
    pub precision: Precision,
    /// How far kernels that round activations may be from the exact result, relative to the largest value.
    pub tolerance: f32,
    /// Milliseconds after which no further variant is looked at.
    pub budget_ms: f64,
}

impl<'a> Wanted<'a> {
    /// What callers want who ask for nothing.
    pub fn new(formats: &'a [Format], gate: Function) -> Self {
        Self {
            formats,
            gate,
            kernels: None,
            precision: Precision::Exact,
            tolerance: int8::TOLERANCE,
            budget_ms: BUDGET_MS,
        }
    }
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// The kernels.
    pub kernels: Kernels,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Loads are shared by broadcasts within subgroups of four.
    pub broadcast: bool,
    /// Activations are rounded to bytes.
    pub int8: bool,
    /// What was looked at, in order.
    pub tried: Vec<Trial>,
    /// Milliseconds that the choice took.
    pub ms: f64,
}

/// A variant that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// Its name.
    pub variant: String,
    /// Whether it agrees with the reference, and is near enough to the exact result.
    pub right: bool,
    /// How far it is from the exact result, relative to the largest value: of kernels that round.
    pub error: Option<f32>,
    /// Microseconds of a dispatch, where it was timed.
    pub micros: Option<f64>,
}

impl Tuning {
    fn of(variants: &Variants) -> Self {
        let kernels = match variants.matvec {
            Reduce::None => Kernels::Rows,
            Reduce::Workgroup => Kernels::Workgroup,
            Reduce::Subgroup => Kernels::Subgroup,
        };
        let Variants { matvec_workgroup, broadcast, int8, .. } = *variants;
        Self { kernels, workgroup: matvec_workgroup, broadcast, int8, tried: Vec::new(), ms: 0.0 }
    }

    fn name(&self) -> String {
        let Self { kernels, workgroup, broadcast, int8, .. } = self;
        let mut name = match kernels {
            Kernels::Rows if *broadcast => "rows, with broadcasts".to_owned(),
            Kernels::Rows => "rows".to_owned(),
            Kernels::Workgroup => format!("workgroup {workgroup}"),
            Kernels::Subgroup => format!("subgroup {workgroup}"),
        };
        if *int8 {
            name.push_str(", int8");
        }
        name
    }

    /// The variants that a model lowers with.
    pub fn variants(&self, kv: KvFormat) -> Variants {
        let reduce = match self.kernels {
            Kernels::Rows => Reduce::None,
            Kernels::Workgroup => Reduce::Workgroup,
            Kernels::Subgroup => Reduce::Subgroup,
        };
        let Self { workgroup, broadcast, int8, .. } = *self;
        Variants { matvec: reduce, matvec_workgroup: workgroup, broadcast, int8, norm: reduce, kv }
    }
}

/// What [`tune`] will most likely choose on such a device, roundings apart: they take no memory.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not.
pub fn likeliest(capabilities: &Capabilities, forced: Option<Kernels>) -> Result<Tuning> {
    candidates(capabilities, &Wanted { kernels: forced, ..Wanted::new(&[], Function::SiluMul) })
        .into_iter()
        .next()
        .ok_or_else(no_subgroups)
}

fn no_subgroups() -> Error {
    Error::unsupported("subgroups", "this GPU offers no subgroup operations")
}

/// What may be used on the device, the likeliest first.
fn candidates(capabilities: &Capabilities, wanted: &Wanted<'_>) -> Vec<Tuning> {
    let rows = Variants {
        matvec: Reduce::None,
        matvec_workgroup: 16,
        broadcast: false,
        int8: false,
        norm: Reduce::None,
        kv: KvFormat::F32,
    };
    let mut all = Vec::new();
    let broadcast = capabilities.subgroup_size == Some(4);
    for broadcast in [broadcast, false] {
        all.push(Tuning::of(&Variants { broadcast, ..rows }));
    }
    for matvec_workgroup in [64, 32, 128] {
        if capabilities.subgroups {
            all.push(Tuning::of(&Variants { matvec: Reduce::Subgroup, matvec_workgroup, ..rows }));
        }
        all.push(Tuning::of(&Variants { matvec: Reduce::Workgroup, matvec_workgroup, ..rows }));
    }
    let fits = |tuning: &Tuning| match wanted.kernels {
        Some(kernels) => tuning.kernels == kernels,
        None => (tuning.kernels == Kernels::Rows) == capabilities.is_fallback,
    };
    all.retain(fits);
    all.dedup();
    // CPU adapters take 45 cycles for a dot product of packed bytes, so there it is only for a caller who forces kernels.
    let may_round = wanted.precision == Precision::Fast
        && capabilities.packed_dot
        && wanted.formats.iter().any(|format| format.int8_dot().is_some())
        && (wanted.kernels.is_some() || !capabilities.is_fallback);
    if !may_round {
        return all;
    }
    // Where the order is the choice, what the caller asked for comes first; where time is, what it is compared with.
    let both = |exact: Tuning| {
        let rounding = Tuning { int8: true, ..exact.clone() };
        if capabilities.is_fallback { [rounding, exact] } else { [exact, rounding] }
    };
    all.into_iter().flat_map(both).collect()
}

/// Chooses the kernels.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not; `gpu` if no variant computes what the reference does;
/// `device_lost`.
pub async fn tune(gpu: &Gpu, wanted: &Wanted<'_>) -> Result<Tuning> {
    let candidates = candidates(gpu.capabilities(), wanted);
    if candidates.is_empty() {
        return Err(no_subgroups());
    }
    choose(gpu, wanted, candidates).await
}

/// Chooses among `candidates`, as [`tune`] does among those that may be used on the device.
///
/// # Errors
/// As [`tune`].
pub async fn choose(gpu: &Gpu, wanted: &Wanted<'_>, candidates: Vec<Tuning>) -> Result<Tuning> {
    let Wanted { formats, gate, tolerance, budget_ms, .. } = *wanted;
    let started = gpu.now_ms();
    let mut tried = Vec::new();
    let mut best: Option<(f64, Tuning)> = None;
    // On CPU adapters the order is the choice; where only one may be used there is none.
    let timed = !gpu.capabilities().is_fallback && candidates.len() > 1;
    for candidate in candidates {
        let out_of_time = gpu.now_ms() - started > budget_ms;
        if best.is_some() && (!timed || out_of_time) {
            break;
        }
        let (mut right, mut error) = (true, 0.0f32);
        for format in formats {
            if right {
                let found = match check(gpu, &candidate, *format, gate).await {
                    // A device that cannot compile or run such a kernel has the others.
                    Err(error) if candidate.int8 && error.kind() == ErrorKind::Gpu => Found::FAILED,
                    found => found?,
                };
                error = error.max(found.error);
                right = found.right && (!candidate.int8 || error <= tolerance);
            }
        }
        let micros = match formats.first() {
            Some(format) if timed && right => Some(time(gpu, &candidate, *format, gate).await?),
            _ => None,
        };
        let error = candidate.int8.then_some(error);
        tried.push(Trial { variant: candidate.name(), right, error, micros });
        let cost = micros.unwrap_or_default() * if candidate.int8 { WORTH_ROUNDING } else { 1.0 };
        if right && best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, candidate));
        }
    }
    let ms = gpu.now_ms() - started;
    match best {
        Some((_, tuning)) => Ok(Tuning { tried, ms, ..tuning }),
        None => Err(Error::new(
            ErrorKind::Gpu,
            "this GPU or its driver computes wrongly: no kernel agrees with the reference; update the driver or use another GPU",
        )),
    }
}

/// The dispatches of a linear with a folded norm, as most of a decoded token's are.
fn lower(
    gpu: &Gpu,
    tuning: &Tuning,
    gate: Function,
    matrix: &GpuMatrix,
    nothing: &Rc<GpuBuffer>,
) -> (Linear, Operand, Vec<DispatchSpec>) {
    let op = Linear { norm: Some(RmsNorm { weight: 0, eps: 1e-5 }), ..Linear::default() };
    let y = operand(gpu, &Rows::zeros(1, matrix.rows as usize));
    let (x, norm) = (row(matrix.cols), norm_row(matrix.cols));
    let variants = tuning.variants(KvFormat::F32);
    let x = if variants.prepares_norms() { prepared_operand(gpu, &x, &norm) } else { operand(gpu, &x) };
    let norm = operand(gpu, &norm);
    let ctx = Lowering {
        variants,
        step: nothing,
        nothing,
        scores: None,
        partials: nothing,
        max_rows: 1,
        max_work: u64::MAX,
        gate,
    };
    let read = LinearWeights { weight: matrix, bias: None, norm: Some(&norm.buffer) };
    let specs = op.lower(&ctx, "tune", read, (&x, None), &y);
    (op, y, specs)
}

fn one_row() -> StepShape {
    StepShape { n_rows: 1, n_outputs: 1, kv_length: 1, ..StepShape::default() }
}

/// What a check found.
#[derive(Clone, Copy)]
struct Found {
    right: bool,
    /// The largest distance from the exact result, relative to the largest value.
    error: f32,
}

impl Found {
    const FAILED: Self = Self { right: false, error: f32::INFINITY };
}

/// Whether a variant computes what its reference does, and how far that is from the exact result.
async fn check(gpu: &Gpu, tuning: &Tuning, format: Format, gate: Function) -> Result<Found> {
    let (rows, cols) = (CHECK_SHAPE.0, CHECK_SHAPE.1 * format.block_weights().max(32) as u32);
    let case = Case::new(format, (rows, cols))?;
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let matrix = case.upload(gpu, &nothing)?;
    let x = row(cols);
    let (op, y, specs) = lower(gpu, tuning, gate, &matrix, &nothing);
    let norm = norm_row(cols);
    let read = LinearWeights { weight: &case as &dyn CpuMatrix, bias: None, norm: Some(&norm.data[..]) };
    let exact = op.reference(&x, read, None);
    let rounds = tuning.int8 && format.int8_dot().is_some();
    let wanted = if rounds { op.reference_int8(&x, read, None) } else { exact.clone() };
    let kernels: Vec<_> = specs.iter().map(|spec| spec.kernel.clone()).collect();
    gpu.compile(&kernels).await?;
    let recording = Recording::new(gpu, "tune", specs)?;
    let n_bytes = u64::from(rows) * 4;
    let readback = gpu.create_buffer("tune.readback", n_bytes, Usage::Readback);
    let mut found = Found { right: true, error: 0.0 };
    // Twice: some drivers are right the first time only.
    for _ in 0..2 {
        let copy = Copy { source: &y.buffer, offset: 0, readback: &readback, n_bytes };
        gpu.submit(&recording, 0..recording.len(), &one_row(), Some(copy));
        let got = gpu.read(&readback, n_bytes).await?;
        let got: Vec<f32> = bytemuck::pod_collect_to_vec(&got);
        found.error = found.error.max(distance(&got, &exact.data));
        found.right &= distance(&got, &wanted.data) <= TOLERANCE;
    }
    Ok(found)
}

/// The largest difference, relative to the largest of `wanted`; infinite where there is NaN.
fn distance(got: &[f32], wanted: &[f32]) -> f32 {
    let scale = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let off = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { (a - b).abs() / scale };
    got.iter().zip(wanted).map(off).fold(0.0f32, |most, off| most.max(if off.is_nan() { f32::INFINITY } else { off }))
}

/// Microseconds of a dispatch.
async fn time(gpu: &Gpu, tuning: &Tuning, format: Format, gate: Function) -> Result<f64> {
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let (rows, cols) = TIMED_SHAPE;
    let matrix = GpuMatrix::new(gpu, "tune.weight", format, rows, cols, &nothing);
    let specs = (0..TIMED_DISPATCHES).flat_map(|_| lower(gpu, tuning, gate, &matrix, &nothing).2).collect();
    let recording = Recording::new(gpu, "tune", specs)?;
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let started = gpu.now_ms();
        gpu.submit(&recording, 0..recording.len(), &one_row(), None);
        gpu.done().await?;
        least = least.min(gpu.now_ms() - started);
    }
    Ok(least * 1000.0 / TIMED_DISPATCHES as f64)
}
