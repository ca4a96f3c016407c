//! Which kernels fit the device, role by role. Each variant that may be used is run on a small case and compared with the reference:
//! some drivers compute wrongly. On GPUs those that are right are timed, for no longer than 300 ms in all, and what is left then
//! takes its default; CPU adapters have a fixed order, measured beforehand (`docs/performance.md`). Kernels that round activations are looked at where the caller allows
//! it, and may be no further from the exact result than they say.

mod attention;
mod case;
mod choice;
mod matmul;
mod matvec;
mod norm;
mod probe;
mod role;

use serde::Serialize;

pub use self::choice::{agrees, choose, others, tune};
use self::choice::{no_subgroups, of_role};
pub use self::role::Role;
use crate::error::Result;
use crate::gpu::{Capabilities, KernelSpec};
use crate::ops::elementwise::Function;
use crate::ops::linear::activations::Activations;
use crate::ops::{KvFormat, Reduce, Tile, Variants};
use crate::quant::Format;

/// Timing ends after so long; variants not timed by then are not chosen.
const BUDGET_MS: f64 = 300.0;
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
    /// Query heads that share a KV head in the model.
    pub group: u32,
    /// The kernels of the model as it is expected to be, where they are known. CPU adapters have one kernel for each role, and what
    /// the model does not need is not compiled to be checked.
    pub used: Option<&'a [KernelSpec]>,
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
            group: 4,
            used: None,
        }
    }

    /// Whether the model needs a kernel of `shader`, for matrices of `format` where that is said; as far as it is known.
    fn uses(&self, shader: &str, format: Option<Format>) -> bool {
        let is_for = |kernel: &KernelSpec, format: Format| {
            kernel.slots.iter().any(|(slot, file)| *slot == "QUANT" && *file == format.shader())
        };
        let is_it = |kernel: &KernelSpec| kernel.shader == shader && format.is_none_or(|format| is_for(kernel, format));
        self.used.is_none_or(|kernels| kernels.iter().any(is_it))
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
    // The first, of one row, is chosen already: the others go by it.
    for role in Role::ALL.into_iter().skip(1) {
        let candidates = of_role(role, capabilities, wanted, &tuning)?;
        let most = candidates.iter().position(|candidate| role == Role::Matmul && candidate.matmul == Tile::Int8);
        tuning = candidates[most.unwrap_or_default()].clone();
    }
    Ok(tuning)
}
