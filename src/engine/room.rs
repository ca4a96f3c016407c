//! Room on the device: with which kernels, and for which context.

use super::EngineOptions;
use crate::backend::{PlannedModel, kv_format};
use crate::error::{ErrorKind, Result};
use crate::fit;
use crate::footprint::Device;
use crate::gpu::Gpu;
use crate::graph::Graph;
use crate::graph::weights::GpuWeights;
use crate::tune::{Tuning, Wanted, likeliest};

/// The kernels that were chosen before, or most likely will be.
///
/// # Errors
/// As [`likeliest`].
pub(crate) fn expected(gpu: &Gpu, known: Option<&Tuning>, wanted: &Wanted<'_>) -> Result<Tuning> {
    known.cloned().map_or_else(|| likeliest(gpu.capabilities(), wanted), Ok)
}

/// Allocates the weights, and finds a context for which the rest has room beside them, with the kernels of `tuning`. Weights are
/// not yet fetched.
pub(super) async fn make(
    gpu: &Gpu,
    graph: &Graph,
    wanted: u32,
    options: &EngineOptions,
    tuning: &Tuning,
) -> Result<(GpuWeights, PlannedModel, fit::Choice)> {
    let choices = choices(gpu, graph, wanted, options, tuning);
    let choices = fit::bindable(choices, Device::of(gpu.capabilities()))?;
    let before = gpu.counts().gpu_bytes;
    let weights = GpuWeights::allocate(gpu, graph).await.map_err(|error| match error.kind() {
        ErrorKind::OutOfMemory => fit::no_room(&choices),
        _ => error,
    })?;
    let plan = async |choice: &fit::Choice| {
        PlannedModel::new(gpu, graph, &weights, choice.context, tuning.variants(choice.kv)).await
    };
    let (choice, planned) = fit::with_room(gpu, &choices, (before, options.chunk_bytes), plan).await?;
    Ok((weights, planned, choice))
}

/// The contexts to try for a fused graph, and what each takes on the device.
pub(crate) fn choices(
    gpu: &Gpu,
    graph: &Graph,
    wanted: u32,
    options: &EngineOptions,
    tuning: &Tuning,
) -> Vec<fit::Choice> {
    let kv = |context| options.kv.unwrap_or_else(|| kv_format(&graph.caches, context, Some(gpu)));
    let (contexts, device) = (fit::contexts(wanted, options.steps_down), Device::of(gpu.capabilities()));
    fit::choices(graph, &contexts, device, kv, |kv| tuning.variants(kv))
}
