//! Dispatches whose result is known, and dispatches that are timed.

use crate::error::Result;
use crate::gpu::{Copy, DispatchSpec, Gpu, Recording, StepShape, Usage};
use crate::ops::{Operand, Rows};

/// What a check found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) right: bool,
    /// The largest distance from the exact result, relative to the largest value.
    pub(super) error: f32,
}

impl Found {
    pub(super) const FAILED: Self = Self { right: false, error: f32::INFINITY };
}

/// Dispatches that make `y` of inputs that are known.
pub(super) struct Probe {
    pub(super) specs: Vec<DispatchSpec>,
    pub(super) shape: StepShape,
    pub(super) y: Operand,
    /// The exact result, and what the kernels make of it that round.
    pub(super) exact: Rows,
    pub(super) wanted: Rows,
    /// How far from `wanted` is right, relative to its largest value.
    pub(super) tolerance: f32,
}

impl Probe {
    /// Runs them.
    ///
    /// # Errors
    /// `gpu` if a kernel does not compile; `device_lost`.
    pub(super) async fn run(self, gpu: &Gpu) -> Result<Found> {
        let Self { specs, shape, y, exact, wanted, tolerance } = self;
        let kernels: Vec<_> = specs.iter().map(|spec| spec.kernel.clone()).collect();
        gpu.compile(&kernels).await?;
        let recording = Recording::new(gpu, "tune", specs)?;
        let (stride, width) = (y.stride as usize, exact.width);
        let n_bytes = exact.len() as u64 * stride as u64 * 4;
        let readback = gpu.create_buffer("tune.readback", n_bytes, Usage::Readback);
        let mut found = Found { right: true, error: 0.0 };
        // Twice: some drivers are right the first time only.
        for _ in 0..2 {
            let copy = Copy { source: &y.buffer, offset: 0, readback: &readback, n_bytes };
            gpu.submit(&recording, 0..recording.len(), &shape, Some(copy));
            let got = gpu.read(&readback, n_bytes).await?;
            let got: Vec<f32> = bytemuck::pod_collect_to_vec(&got);
            let got: Vec<f32> = got.chunks(stride).flat_map(|row| row[..width].to_vec()).collect();
            found.error = found.error.max(distance(&got, &exact.data));
            found.right &= distance(&got, &wanted.data) <= tolerance;
        }
        Ok(found)
    }
}

/// The largest difference, relative to the largest of `wanted`; infinite where there is NaN.
fn distance(got: &[f32], wanted: &[f32]) -> f32 {
    let scale = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let off = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { (a - b).abs() / scale };
    got.iter().zip(wanted).map(off).fold(0.0f32, |most, off| most.max(if off.is_nan() { f32::INFINITY } else { off }))
}

/// Microseconds of one of `n` ops, which these dispatches are.
pub(super) async fn time(gpu: &Gpu, specs: Vec<DispatchSpec>, n: usize, shape: &StepShape) -> Result<f64> {
    let recording = Recording::new(gpu, "tune", specs)?;
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let started = gpu.now_ms();
        gpu.submit(&recording, 0..recording.len(), shape, None);
        gpu.done().await?;
        least = least.min(gpu.now_ms() - started);
    }
    Ok(least * 1000.0 / n as f64)
}
