//! The choice itself: of the variants of each role, what is right, and of these the fastest.

use super::{Role, Trial, Tuning, Wanted, matvec};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Capabilities, Gpu};
use crate::ops::linear::activations::Activations;

/// A kernel that rounds activations is chosen where it is so many times faster: less is within the noise, and not worth it.
const WORTH_ROUNDING: f64 = 1.05;

pub(super) fn no_subgroups() -> Error {
    Error::unsupported("subgroups", "this GPU offers no subgroup operations")
}

/// The candidates of a role, of which there is at least one.
pub(super) fn of_role(
    role: Role,
    capabilities: &Capabilities,
    wanted: &Wanted<'_>,
    base: &Tuning,
) -> Result<Vec<Tuning>> {
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

/// What a device of the other kind is offered: kernels for CPU adapters run on GPUs, and the others on CPU adapters, if slower.
fn of_the_other_kind(capabilities: &Capabilities) -> Capabilities {
    Capabilities { is_fallback: !capabilities.is_fallback, ..capabilities.clone() }
}

/// Chooses the kernels of all roles. Where a role has none that is right, those that the other kind of device is offered stand in
/// for all.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not; `bad_argument` if there is no such variant; `gpu` if no
/// variant compiles (data: `kernel`) or computes what the reference does; `device_lost`, `out_of_memory`.
pub async fn tune(gpu: &Gpu, wanted: &Wanted<'_>) -> Result<Tuning> {
    let (started, capabilities) = (gpu.now_ms(), gpu.capabilities());
    let mut tried = Vec::new();
    let refused = match tune_as(gpu, capabilities, wanted, started, &mut tried).await? {
        Ok(tuning) => return Ok(tuning),
        Err(refused) if wanted.kernels.is_some() => return Err(refused),
        Err(refused) => refused,
    };
    let (others, wanted) = (of_the_other_kind(capabilities), Wanted { used: None, ..*wanted });
    tune_as(gpu, &others, &wanted, started, &mut tried).await?.map_err(|_| refused)
}

/// The kernels that a device of such capabilities is offered, or why none of a role is taken. `tried` are the trials before.
async fn tune_as(
    gpu: &Gpu,
    capabilities: &Capabilities,
    wanted: &Wanted<'_>,
    started: f64,
    tried: &mut Vec<Trial>,
) -> Result<Result<Tuning>> {
    let candidates = matvec::candidates(capabilities, wanted);
    if candidates.is_empty() {
        return Ok(Err(no_subgroups()));
    }
    let mut tuning = match choose_from(gpu, wanted, Role::Matvec, candidates, started, tried).await? {
        Ok(tuning) => tuning,
        Err(refused) => return Ok(Err(refused)),
    };
    // The first, of one row, is chosen already: the others go by it.
    for role in Role::ALL.into_iter().skip(1) {
        let candidates = of_role(role, capabilities, wanted, &tuning)?;
        // What the caller forces has no other variant, and was tried by tests.
        if candidates == [tuning.clone()] && (wanted.kernels.is_some() || !role.is_used(wanted)) {
            continue;
        }
        tuning = match choose_from(gpu, wanted, role, candidates, started, tried).await? {
            Ok(tuning) => tuning,
            Err(refused) => return Ok(Err(refused)),
        };
    }
    Ok(Ok(Tuning { tried: std::mem::take(tried), ms: gpu.now_ms() - started, ..tuning }))
}

/// Chooses among `candidates` for a role, as [`tune`] does among those that may be used on the device.
///
/// # Errors
/// As [`tune`].
pub async fn choose(gpu: &Gpu, wanted: &Wanted<'_>, role: Role, candidates: Vec<Tuning>) -> Result<Tuning> {
    let (started, mut tried) = (gpu.now_ms(), Vec::new());
    let tuning = choose_from(gpu, wanted, role, candidates, started, &mut tried).await??;
    Ok(Tuning { tried, ms: gpu.now_ms() - started, ..tuning })
}

/// The same, where the budget runs since `started`; what was looked at is put behind `tried`. If none is right, says why.
async fn choose_from(
    gpu: &Gpu,
    wanted: &Wanted<'_>,
    role: Role,
    candidates: Vec<Tuning>,
    started: f64,
    tried: &mut Vec<Trial>,
) -> Result<Result<Tuning>> {
    let mut best: Option<(f64, Tuning)> = None;
    let mut refused = None;
    // On CPU adapters the order is the choice; where only one may be used there is none.
    let timed = !gpu.capabilities().is_fallback && candidates.len() > 1;
    for candidate in candidates {
        let out_of_time = gpu.now_ms() - started > wanted.budget_ms;
        if best.is_some() && (!timed || out_of_time) {
            break;
        }
        let found = match role.check(gpu, &candidate, wanted).await? {
            Ok(found) => found,
            Err(error) => {
                refused.get_or_insert(error);
                super::probe::Found::FAILED
            }
        };
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
    Ok(best.map(|(_, tuning)| tuning).ok_or_else(|| {
        refused.unwrap_or_else(|| {
            let message = "this GPU or its driver computes wrongly: no kernel agrees with the reference; update the driver \
                           or use another GPU";
            Error::new(ErrorKind::Gpu, message)
        })
    }))
}

/// Whether all kernels of a choice compile and compute what their references do.
///
/// # Errors
/// `device_lost`, `out_of_memory`, `gpu` if a call was refused.
pub async fn agrees(gpu: &Gpu, wanted: &Wanted<'_>, tuning: &Tuning) -> Result<bool> {
    for role in Role::ALL {
        if !role.check(gpu, tuning, wanted).await?.is_ok_and(|found| found.right) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What may be used in the place of `tuning`, where one of its kernels does not compile: with another variant of a role, or with
/// the kernels for the other kind of device. None of it was looked at.
pub fn others(capabilities: &Capabilities, wanted: &Wanted<'_>, tuning: &Tuning) -> Vec<Tuning> {
    let mut others: Vec<Tuning> = Vec::new();
    for role in Role::ALL {
        others.extend(role.candidates(capabilities, wanted, tuning));
    }
    if wanted.kernels.is_none() {
        others.extend(matvec::candidates(&of_the_other_kind(capabilities), wanted));
    }
    others.retain(|other| Role::ALL.iter().any(|role| role.variant(other) != role.variant(tuning)));
    others
}
