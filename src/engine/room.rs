//! Room on the device: with which kernels, and for which context.

use super::EngineOptions;
use crate::backend::{PlannedModel, kv_format};
use crate::error::{ErrorKind, Result};
use crate::fit;
use crate::footprint::Device;
use crate::gpu::Gpu;
use crate::graph::Graph;
use crate::graph::weights::{GpuWeights, formats};
use crate::quant::Format;
use crate::tune::{Kernels, Precision, Tuning, likeliest};

/// The kernels that were chosen before, or most likely will be.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not.
pub(crate) fn expected(gpu: &Gpu, known: Option<&Tuning>, forced: Option<Kernels>) -> Result<Tuning> {
    known.cloned().map_or_else(|| likeliest(gpu.capabilities(), forced), Ok)
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

/// The formats of a graph's matrices, and the name by which the kernels for them are remembered.
pub(crate) fn tuning_key(graph: &Graph, precision: Precision) -> (Vec<Format>, String) {
    let formats = formats(graph);
    let names: Vec<_> = formats.iter().map(|format| format.spec().name).collect();
    let mut key = names.join(",");
    if precision == Precision::Fast {
        key.push_str(";fast");
    }
    (formats, key)
}
