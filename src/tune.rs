//! Which kernels fit the device. Each variant that may be used is run on a small case and compared with the reference: some
//! drivers compute wrongly. On GPUs those that are right are timed, for no longer than 300 ms; CPU adapters have a
//! fixed order, measured beforehand (`docs/performance.md`). Kernels that round activations are looked at where the caller allows
//! it, and may be no further from the exact result than they say.

mod case;
mod matvec;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Capabilities, DispatchSpec, Gpu, Recording, StepShape};
use crate::ops::elementwise::Function;
use crate::ops::linear::activations::Activations;
use crate::ops::{KvFormat, Reduce, Variants};
use crate::quant::Format;

/// Timing ends after so long; variants not timed by then are not chosen.
const BUDGET_MS: f64 = 300.0;
/// A kernel that rounds activations is chosen where it is so many times faster: less is within the noise, and not worth it.
const WORTH_ROUNDING: f64 = 1.05;
/// Rounding of f32 sums, relative to the largest result.
const TOLERANCE: f32 = 1e-5;

/// The kernels for matrices times one row, as the caller may force them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// One invocation a row, no cooperation: for CPU adapters.
    Rows,
    /// Cooperation through workgroup memory.
    #[default]
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
    /// With activations rounded to half floats or bytes, where that is right and faster ([`Activations::tolerance`]).
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
    /// How far kernels that round activations may be from the exact result, relative to the largest value, if that is less than
    /// [`Activations::tolerance`].
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
            tolerance: f32::INFINITY,
            budget_ms: BUDGET_MS,
        }
    }
}

/// What was chosen, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// The kernels.
    pub kernels: Kernels,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Loads are shared by broadcasts within subgroups of four.
    pub broadcast: bool,
    /// What matrices times one row are multiplied in.
    pub activations: Activations,
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
    fn name(&self) -> String {
        let Self { kernels, workgroup, broadcast, activations, .. } = self;
        let mut name = match kernels {
            Kernels::Rows if *broadcast => "rows, with broadcasts".to_owned(),
            Kernels::Rows => "rows".to_owned(),
            Kernels::Workgroup => format!("workgroup {workgroup}"),
            Kernels::Subgroup => format!("subgroup {workgroup}"),
        };
        if *activations != Activations::F32 {
            name.push_str(", ");
            name.push_str(activations.name());
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
        let Self { workgroup, broadcast, activations, .. } = *self;
        Variants {
            matvec: reduce,
            matvec_workgroup: workgroup,
            broadcast,
            activations,
            norm: reduce,
            kv,
            ..Variants::default()
        }
    }
}

/// What [`tune`] will most likely choose on such a device, roundings apart: they take no memory.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not.
pub fn likeliest(capabilities: &Capabilities, forced: Option<Kernels>) -> Result<Tuning> {
    matvec::candidates(capabilities, &Wanted { kernels: forced, ..Wanted::new(&[], Function::SiluMul) })
        .into_iter()
        .next()
        .ok_or_else(no_subgroups)
}

fn no_subgroups() -> Error {
    Error::unsupported("subgroups", "this GPU offers no subgroup operations")
}

/// Chooses the kernels.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not; `gpu` if no variant computes what the reference does;
/// `device_lost`.
pub async fn tune(gpu: &Gpu, wanted: &Wanted<'_>) -> Result<Tuning> {
    let candidates = matvec::candidates(gpu.capabilities(), wanted);
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
        let rounds = candidate.activations != Activations::F32;
        let most = tolerance.min(candidate.activations.tolerance());
        let (mut right, mut error) = (true, 0.0f32);
        for format in formats {
            if right {
                let found = match matvec::check(gpu, &candidate, *format, gate).await {
                    // A device that cannot compile or run such a kernel has the others.
                    Err(error) if rounds && error.kind() == ErrorKind::Gpu => Found::FAILED,
                    found => found?,
                };
                error = error.max(found.error);
                right = found.right && (!rounds || error <= most);
            }
        }
        let micros = match formats.first() {
            Some(format) if timed && right => Some(matvec::time(gpu, &candidate, *format, gate).await?),
            _ => None,
        };
        let error = rounds.then_some(error);
        tried.push(Trial { variant: candidate.name(), right, error, micros });
        let cost = micros.unwrap_or_default() * if rounds { WORTH_ROUNDING } else { 1.0 };
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

/// The largest difference, relative to the largest of `wanted`; infinite where there is NaN.
fn distance(got: &[f32], wanted: &[f32]) -> f32 {
    let scale = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let off = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { (a - b).abs() / scale };
    got.iter().zip(wanted).map(off).fold(0.0f32, |most, off| most.max(if off.is_nan() { f32::INFINITY } else { off }))
}

/// Microseconds of one of these dispatches, which are alike.
async fn time_of(gpu: &Gpu, specs: Vec<DispatchSpec>, shape: &StepShape) -> Result<f64> {
    let n_specs = specs.len();
    let recording = Recording::new(gpu, "tune", specs)?;
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let started = gpu.now_ms();
        gpu.submit(&recording, 0..recording.len(), shape, None);
        gpu.done().await?;
        least = least.min(gpu.now_ms() - started);
    }
    Ok(least * 1000.0 / n_specs as f64)
}
