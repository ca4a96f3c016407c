//! How long each kernel takes on the device, measured apart from the others.

use serde::Serialize;

use super::gpu_model::GpuModel;
use super::{MAX_OUTPUTS, PREFILL_ROWS};
use crate::error::Result;
use crate::gpu::{Draw, Gpu, Recording, StepShape};
use crate::ops::StepRow;

/// How often a step's dispatches are run; the fastest counts.
const ROUNDS: usize = 5;
/// Dispatches of a submit at least, so that the submit itself is a small part of the time.
const DISPATCHES: usize = 60;

/// What the dispatches of one kernel take in a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelTime {
    /// Rows of the step.
    pub rows: usize,
    /// The kernel, with what fills its slots.
    pub kernel: String,
    /// Dispatches in the step.
    pub dispatches: usize,
    /// Milliseconds of all of them.
    pub ms: f64,
    /// Bytes of weights that they read.
    pub weight_bytes: u64,
    /// Bytes of keys and values that they read.
    pub kv_bytes: u64,
    /// Their multiply-adds, where there are many.
    pub multiply_adds: u64,
}

impl GpuModel {
    /// Times the kernels of a decoded token after `position` others, and of a whole prefill step that ends there. What the
    /// cache holds is lost.
    ///
    /// # Errors
    /// `device_lost`, `gpu`.
    pub(super) async fn profile(&mut self, position: u32) -> Result<Vec<KernelTime>> {
        let mut times = Vec::new();
        let n_rows = PREFILL_ROWS.min(position as usize + 1);
        for (n_rows, n_outputs) in [(1, 1), (n_rows, MAX_OUTPUTS.min(n_rows))] {
            let first = position + 1 - n_rows as u32;
            let rows: Vec<_> = (first..=position).map(|position| StepRow { token: 0, slot: 0, position }).collect();
            let shape = self.prepare(&rows, n_outputs, Draw::Best).await?;
            times.extend(time_kernels(self.gpu(), self.recording_for(&shape), &shape).await?);
        }
        Ok(times)
    }
}

async fn time_kernels(gpu: &Gpu, recording: &Recording, shape: &StepShape) -> Result<Vec<KernelTime>> {
    let mut times = Vec::new();
    for of in recording.by_kernel(shape) {
        let n = of.dispatches.len();
        let repeats = DISPATCHES.div_ceil(n);
        let mut least = f64::INFINITY;
        for _ in 0..ROUNDS {
            let started = gpu.now_ms();
            let mut which = std::iter::repeat_n(&of.dispatches, repeats).flatten().copied();
            gpu.submit_each(recording, &mut which, shape, None);
            gpu.done().await?;
            least = least.min(gpu.now_ms() - started);
        }
        times.push(KernelTime {
            rows: shape.n_rows as usize,
            kernel: of.kernel,
            dispatches: n,
            ms: least / repeats as f64,
            weight_bytes: of.weight_bytes,
            kv_bytes: of.kv_bytes,
            multiply_adds: of.multiply_adds,
        });
    }
    Ok(times)
}
