//! What kernels are for, as far as there are several to choose from: a row each of the table of candidates.

use serde::Serialize;

use super::probe::Found;
use super::{Kernels, Precision, Tuning, Wanted, attention, matmul, matvec, norm};
use crate::error::{ErrorKind, Result};
use crate::gpu::{Capabilities, Gpu, is_of_kernel};
use crate::ops::Tile;
use crate::ops::linear::activations::Activations;

/// A task of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Matrices times one row.
    Matvec,
    /// Matrices times many rows.
    Matmul,
    /// Attention of one row, in splits.
    Splits,
    /// Attention of many rows, in tiles of queries.
    Queries,
    /// Norms.
    Norm,
}

impl Role {
    /// All of them, what matters most first: time may end before the last.
    pub const ALL: [Self; 5] = [Self::Matvec, Self::Matmul, Self::Splits, Self::Queries, Self::Norm];

    /// By name, as options spell it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The name that crosses to JavaScript.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matvec => "matvec",
            Self::Matmul => "matmul",
            Self::Splits => "splits",
            Self::Queries => "queries",
            Self::Norm => "norm",
        }
    }

    /// What of a choice is this role's, by the name that trials and options have.
    pub fn variant(self, tuning: &Tuning) -> String {
        match self {
            Self::Matvec => matvec::name(tuning),
            Self::Matmul => tuning.matmul.name().to_owned(),
            Self::Splits => tuning.splits.to_string(),
            Self::Queries => tuning.queries.to_string(),
            Self::Norm => format!("{} {}", tuning.norm.name(), tuning.norm_workgroup),
        }
    }

    /// The choice `base` with each variant that may be used on the device, the likeliest first; one where there is nothing to
    /// choose: kernels for CPU adapters come in one kind each.
    pub(super) fn candidates(self, capabilities: &Capabilities, wanted: &Wanted<'_>, base: &Tuning) -> Vec<Tuning> {
        let for_cpu = base.kernels == Kernels::Rows;
        let mut all: Vec<Tuning> = match self {
            Self::Matvec => return matvec::candidates(capabilities, wanted),
            _ if for_cpu => vec![base.clone()],
            Self::Matmul => {
                let in_bytes = wanted.precision == Precision::Fast
                    && capabilities.packed_dot
                    && wanted.formats.iter().any(|format| format.integer_dot().is_some());
                let tiles = [Some(Tile::Rows32), Some(Tile::Rows64), in_bytes.then_some(Tile::Int8)];
                tiles.into_iter().flatten().map(|matmul| Tuning { matmul, ..base.clone() }).collect()
            }
            Self::Splits => [32, 16, 8].map(|splits| Tuning { splits, ..base.clone() }).into(),
            Self::Queries => [32, 16, 8].map(|queries| Tuning { queries, ..base.clone() }).into(),
            Self::Norm => {
                let kinds = [capabilities.subgroups.then_some(Kernels::Subgroup), Some(Kernels::Workgroup)];
                let of = |norm_workgroup| {
                    kinds.into_iter().flatten().map(move |norm| Tuning { norm, norm_workgroup, ..base.clone() })
                };
                [64, 256].into_iter().flat_map(of).collect()
            }
        };
        match wanted.forced.iter().find(|(role, _)| *role == self) {
            Some((_, variant)) => all.retain(|tuning| self.variant(tuning) == *variant),
            // CPU adapters take what was measured beforehand: the first.
            None if capabilities.is_fallback => all = vec![base.clone()],
            None => {}
        }
        all
    }

    /// Whether the model needs the kernel that CPU adapters have for it, as far as that is known.
    pub(super) fn is_used(self, wanted: &Wanted<'_>) -> bool {
        let shader = match self {
            Self::Matvec => "matvec_rows",
            Self::Matmul => matmul::FOR_CPU,
            Self::Splits => "rope_attention_rows",
            Self::Queries => "attention_scores",
            Self::Norm => "rms_norm",
        };
        wanted.uses(shader, None)
    }

    /// What a candidate rounds activations to for this role.
    pub(super) fn activations(self, tuning: &Tuning) -> Activations {
        match self {
            Self::Matvec => tuning.activations,
            Self::Matmul if tuning.matmul == Tile::Int8 => Activations::Int8,
            _ => Activations::F32,
        }
    }

    /// Whether a candidate computes what its reference does with matrices of every format, and how far that is from the exact
    /// result; or why it does not compile.
    ///
    /// # Errors
    /// `device_lost`, `out_of_memory`; `gpu` where an exact matvec, which every device must run, is refused though it compiles.
    pub(super) async fn check(self, gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<Result<Found>> {
        let activations = self.activations(tuning);
        let found = match self {
            Self::Matvec => matvec::check(gpu, tuning, wanted).await,
            Self::Matmul => matmul::check(gpu, tuning, wanted).await,
            Self::Splits => attention::check_splits(gpu, tuning, wanted).await,
            Self::Queries => attention::check_queries(gpu, tuning, wanted).await,
            Self::Norm => norm::check(gpu, tuning).await,
        };
        match found {
            Err(error) if is_of_kernel(&error) => Ok(Err(error)),
            Err(error)
                if error.kind() == ErrorKind::Gpu && (activations != Activations::F32 || self != Self::Matvec) =>
            {
                Ok(Err(error))
            }
            Ok(found) => {
                let most = activations.tolerance().min(wanted.tolerance);
                let near = activations == Activations::F32 || found.error <= most;
                Ok(Ok(Found { right: found.right && near, ..found }))
            }
            Err(error) => Err(error),
        }
    }

    /// Microseconds of one op by a candidate; none where there is nothing to time it with.
    pub(super) async fn time(self, gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<Option<f64>> {
        let Some(format) = wanted.formats.first() else { return Ok(None) };
        let micros = match self {
            Self::Matvec => matvec::time(gpu, tuning, *format, wanted.gate).await,
            Self::Matmul => matmul::time(gpu, tuning, *format).await,
            Self::Splits => attention::time_splits(gpu, tuning, wanted).await,
            Self::Queries => attention::time_queries(gpu, tuning, wanted).await,
            Self::Norm => norm::time(gpu, tuning).await,
        };
        micros.map(Some)
    }
}
