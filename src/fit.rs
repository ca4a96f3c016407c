//! Whether a model fits a device, and how to make it: a shorter context, if the caller allows it.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::footprint::{Device, Footprint};
use crate::gpu::Gpu;
use crate::graph::Graph;
use crate::ops::KvFormat;

/// A context is not made shorter than this, unless the model's own is.
pub const LEAST_CONTEXT: u32 = 512;

/// What was changed to make a model fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// What: `context`.
    pub what: &'static str,
    /// What it would have been.
    pub from: u32,
    /// What it is.
    pub to: u32,
}

impl Adjustment {
    /// A context made shorter.
    pub fn context(from: u32, to: u32) -> Self {
        Self { what: "context", from, to }
    }

    /// A sentence for people.
    pub fn sentence(&self) -> String {
        let Self { from, to, .. } = self;
        format!("this device has no room for a context of {from} tokens: it is {to}")
    }
}

/// A context to try, and what the model takes with it.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Tokens.
    pub context: u32,
    /// How keys and values are kept.
    pub kv: KvFormat,
    /// What it takes.
    pub footprint: Footprint,
}

/// Contexts to try, the wanted one first: where the caller leaves it to us, halves of it down to [`LEAST_CONTEXT`].
pub fn contexts(wanted: u32, steps_down: bool) -> Vec<u32> {
    let least = wanted.min(LEAST_CONTEXT);
    let halves = std::iter::successors(Some(wanted), |context| (*context > least).then(|| (context / 2).max(least)));
    halves.take(if steps_down { usize::MAX } else { 1 }).collect()
}

/// The choices of `all` that have no piece too large for the device.
///
/// # Errors
/// `out_of_memory` if there is none, with `needed_bytes` and `available_bytes` of the last one's largest piece.
pub fn bindable(all: Vec<Choice>, device: Device) -> Result<Vec<Choice>> {
    let mut refused = Error::internal("no context to try");
    let mut left = Vec::new();
    for choice in all {
        match choice.footprint.check(device) {
            Ok(()) => left.push(choice),
            Err(error) => refused = error,
        }
    }
    if left.is_empty() { Err(refused) } else { Ok(left) }
}

/// The first of `choices` that `make` finds room for, and for which `more_bytes` find room beside it. The footprint's bytes count
/// as room: what `make` has not allocated of them, beyond what there was `before`, is tried.
///
/// # Errors
/// `out_of_memory` with `needed_bytes` if there is none; what `make` returns otherwise; `gpu`, `device_lost`.
pub async fn with_room<M>(
    gpu: &Gpu,
    choices: &[Choice],
    (before, more_bytes): (u64, u64),
    make: impl AsyncFn(&Choice) -> Result<M>,
) -> Result<(Choice, M)> {
    for choice in choices {
        let made = match make(choice).await {
            Err(error) if error.kind() == ErrorKind::OutOfMemory => continue,
            made => made?,
        };
        let rest = choice.footprint.total().saturating_sub(gpu.counts().gpu_bytes - before);
        if gpu.has_room(rest.saturating_add(more_bytes)).await? {
            return Ok((choice.clone(), made));
        }
    }
    Err(no_room(choices))
}

/// The error where none of `choices` finds room.
pub fn no_room(choices: &[Choice]) -> Error {
    let needed = choices.last().map_or(0, |choice| choice.footprint.total());
    let message =
        format!("the GPU has no room for the {needed} bytes that this model takes; use a smaller model or context");
    // How much is free, no platform tells.
    let available = serde_json::Value::Null;
    Error::new(ErrorKind::OutOfMemory, message).with("needed_bytes", needed).with("available_bytes", available)
}

/// Whether a model fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// With room to spare.
    Fits,
    /// It runs, but little is left, or it cannot be stored.
    Tight,
    /// It does not run.
    No,
}

/// Whether a graph has room on `gpu` as `choice` has it, and if not or hardly, why.
///
/// # Errors
/// `gpu`, `device_lost`.
pub async fn verdict(gpu: &Gpu, choice: &Choice, more_bytes: u64) -> Result<(Verdict, Option<String>)> {
    let device = Device::of(gpu.capabilities());
    if let Err(error) = choice.footprint.check(device) {
        return Ok((Verdict::No, Some(error.message().to_owned())));
    }
    let total = choice.footprint.total().saturating_add(more_bytes);
    if !gpu.has_room(total).await? {
        return Ok((Verdict::No, Some(no_room(std::slice::from_ref(choice)).message().to_owned())));
    }
    if !gpu.has_room(total.saturating_add(total / 4)).await? {
        let reason = "the GPU has room for the model, but not for a quarter more: other pages may run out of memory";
        return Ok((Verdict::Tight, Some(reason.to_owned())));
    }
    Ok((Verdict::Fits, None))
}

/// What a graph takes with each of these contexts.
pub fn choices(
    graph: &Graph,
    contexts: &[u32],
    device: Device,
    kv: impl Fn(u32) -> KvFormat,
    variants: impl Fn(KvFormat) -> crate::ops::Variants,
) -> Vec<Choice> {
    let choice = |context: &u32| {
        let kv = kv(*context);
        Choice { context: *context, kv, footprint: Footprint::of(graph, *context, device, variants(kv)) }
    };
    contexts.iter().map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::contexts;

    #[test]
    fn contexts_are_halved_down_to_the_least() {
        assert_eq!(contexts(4096, true), [4096, 2048, 1024, 512]);
        assert_eq!(contexts(3000, true), [3000, 1500, 750, 512]);
        assert_eq!(contexts(512, true), [512]);
        assert_eq!(contexts(100, true), [100]);
        assert_eq!(contexts(4096, false), [4096]);
    }
}
