//! Which kernels fit the device, role by role. Each variant that may be used is run on a small case and compared with the reference:
//! some drivers compute wrongly. On GPUs those that are right are timed, for no longer than 300 ms in all, and what is left then
//! takes its default; CPU adapters have a fixed order, measured beforehand (`docs/performance.md`). Kernels that round activations are looked at where the caller allows
//! it, and may be no further from the exact result than they say.

mod attention;
mod case;
mod matmul;
mod matvec;
mod norm;
mod probe;
mod role;

use serde::Serialize;

pub use self::role::Role;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Capabilities, Gpu};
use crate::ops::elementwise::Function;
use crate::ops::linear::activations::Activations;
use crate::ops::{KvFormat, Reduce, Tile, Variants};
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
        [Self::Rows, Self::Workgroup, Self::Subgroup].into_iter().find(|kernels| kernels.name() == name)
    }

    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Workgroup => "workgroup",
            Self::Subgroup => "subgroup",
        }
    }

    fn reduce(self) -> Reduce {
        match self {
            Self::Rows => Reduce::None,
            Self::Workgroup => Reduce::Workgroup,
            Self::Subgroup => Reduce::Subgroup,
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
    /// The kernels that the caller forces for matrices times one row.
    pub kernels: Option<Kernels>,
    /// The variants that the caller forces for other roles, by [`Role::variant`].
    pub forced: &'a [(Role, String)],
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
            forced: &[],
            precision: Precision::Exact,
            tolerance: f32::INFINITY,
            budget_ms: BUDGET_MS,
        }
    }
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// The kernels for matrices times one row.
    pub kernels: Kernels,
    /// Invocations of their workgroups.
    pub workgroup: u32,
    /// Loads are shared by broadcasts within subgroups of four.
    pub broadcast: bool,
    /// What matrices times one row are multiplied in.
    pub activations: Activations,
    /// The tile of matrices times many rows, on GPUs.
    pub matmul: Tile,
    /// Splits of one row's attention at most, on GPUs.
    pub splits: u32,
    /// Queries of a tile of many rows' attention at most, on GPUs.
    pub queries: u32,
    /// How norms add up.
    pub norm: Kernels,
    /// Invocations of their workgroups, on GPUs.
    pub norm_workgroup: u32,
    /// What was looked at, in order.
    pub tried: Vec<Trial>,
    /// Milliseconds that the choice took.
    pub ms: f64,
}

/// A variant that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// What it is for.
    pub role: Role,
    /// Its name.
    pub variant: String,
    /// Whether it agrees with the reference, and is near enough to the exact result.
    pub right: bool,
    /// How far it is from the exact result, relative to the largest value: of kernels that round.
    pub error: Option<f32>,
    /// Microseconds of a dispatch, where it was timed.
    pub micros: Option<f64>,
}

impl Default for Tuning {
    /// What every device runs.
    fn default() -> Self {
        Self {
            kernels: Kernels::Workgroup,
            workgroup: 64,
            broadcast: false,
            activations: Activations::F32,
            matmul: Tile::Rows32,
            splits: 32,
            queries: 32,
            norm: Kernels::Workgroup,
            norm_workgroup: 64,
            tried: Vec::new(),
            ms: 0.0,
        }
    }
}

impl Tuning {
    /// The variants that a model lowers with.
    pub fn variants(&self, kv: KvFormat) -> Variants {
        let Self { kernels, workgroup, broadcast, activations, matmul, splits, queries, norm, norm_workgroup, .. } =
            *self;
        Variants {
            matvec: kernels.reduce(),
            matvec_workgroup: workgroup,
            spread: Variants::default().spread,
            broadcast,
            activations,
            matmul,
            splits,
            queries,
            norm: norm.reduce(),
            norm_workgroup,
            kv,
        }
    }
}

/// What [`tune`] will most likely choose on such a device, as far as it takes memory: of what rounds, only rows as bytes do, and
/// they are counted where they may be chosen.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not; `bad_argument` if there is no such variant.
pub fn likeliest(capabilities: &Capabilities, wanted: &Wanted<'_>) -> Result<Tuning> {
    let exact = Wanted { precision: Precision::Exact, ..*wanted };
    let mut tuning = matvec::candidates(capabilities, &exact).into_iter().next().ok_or_else(no_subgroups)?;
    for role in Role::ALL.into_iter().skip(1) {
        let candidates = of_role(role, capabilities, wanted, &tuning)?;
        let most = candidates.iter().position(|candidate| role == Role::Matmul && candidate.matmul == Tile::Int8);
        tuning = candidates[most.unwrap_or_default()].clone();
    }
    Ok(tuning)
}

fn no_subgroups() -> Error {
    Error::unsupported("subgroups", "this GPU offers no subgroup operations")
}

/// The candidates of a role, of which there is at least one.
fn of_role(role: Role, capabilities: &Capabilities, wanted: &Wanted<'_>, base: &Tuning) -> Result<Vec<Tuning>> {
    let candidates = role.candidates(capabilities, wanted, base);
    if candidates.is_empty() {
        let all = role.candidates(
            &Capabilities { is_fallback: false, ..capabilities.clone() },
            &Wanted { forced: &[], ..*wanted },
            base,
        );
        let names: Vec<_> = all.iter().map(|tuning| role.variant(tuning)).collect();
        let message = format!("for {} there is on this device: {}", role.name(), names.join(", "));
        return Err(Error::bad_argument("variants", message));
    }
    Ok(candidates)
}

/// Chooses the kernels of all roles.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not; `bad_argument` if there is no such variant; `gpu` if no
/// variant computes what the reference does; `device_lost`.
pub async fn tune(gpu: &Gpu, wanted: &Wanted<'_>) -> Result<Tuning> {
    let candidates = matvec::candidates(gpu.capabilities(), wanted);
    if candidates.is_empty() {
        return Err(no_subgroups());
    }
    let started = gpu.now_ms();
    let mut tuning = choose_from(gpu, wanted, Role::Matvec, candidates, started).await?;
    for role in Role::ALL.into_iter().skip(1) {
        let candidates = of_role(role, gpu.capabilities(), wanted, &tuning)?;
        // What has no other variant was tried by tests, as far as it can be.
        if candidates != [tuning.clone()] {
            let tried = std::mem::take(&mut tuning.tried);
            tuning = choose_from(gpu, wanted, role, candidates, started).await?;
            tuning.tried.splice(0..0, tried);
        }
    }
    Ok(tuning)
}

/// Chooses among `candidates` for a role, as [`tune`] does among those that may be used on the device.
///
/// # Errors
/// As [`tune`].
pub async fn choose(gpu: &Gpu, wanted: &Wanted<'_>, role: Role, candidates: Vec<Tuning>) -> Result<Tuning> {
    choose_from(gpu, wanted, role, candidates, gpu.now_ms()).await
}

/// The same, where the budget runs since `started`.
async fn choose_from(
    gpu: &Gpu,
    wanted: &Wanted<'_>,
    role: Role,
    candidates: Vec<Tuning>,
    started: f64,
) -> Result<Tuning> {
    let mut tried = Vec::new();
    let mut best: Option<(f64, Tuning)> = None;
    // On CPU adapters the order is the choice; where only one may be used there is none.
    let timed = !gpu.capabilities().is_fallback && candidates.len() > 1;
    for candidate in candidates {
        let out_of_time = gpu.now_ms() - started > wanted.budget_ms;
        if best.is_some() && (!timed || out_of_time) {
            break;
        }
        let found = role.check(gpu, &candidate, wanted).await?;
        let micros =
            if timed && found.right && !out_of_time { role.time(gpu, &candidate, wanted).await? } else { None };
        let rounds = role.activations(&candidate) != Activations::F32;
        let error = rounds.then_some(found.error);
        tried.push(Trial { role, variant: role.variant(&candidate), right: found.right, error, micros });
        let cost = micros.unwrap_or_default() * if rounds { WORTH_ROUNDING } else { 1.0 };
        if found.right && best.as_ref().is_none_or(|(least, _)| cost < *least) {
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
