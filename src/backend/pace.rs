//! Cuts a long step into submits that the GPU ends soon: a display driver resets a GPU that is busy for seconds, and a page
//! cannot draw meanwhile. Measured, not guessed: each submit tells how fast the next may be taken to go.

use std::ops::Range;

use crate::error::Result;
use crate::gpu::{Copy, Gpu, Recording, StepShape};
use crate::weights::Cancel;

/// Milliseconds that a submit is meant to take.
const TARGET_MS: f64 = 40.0;
/// The same on CPU adapters, which nobody resets.
const CPU_TARGET_MS: f64 = 250.0;
/// Multiply-adds a millisecond, before anything is measured: what small GPUs and CPU adapters manage.
const FIRST_RATE: f64 = 2e7;
const CPU_FIRST_RATE: f64 = 2e6;

/// What is known of the device's speed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    target_ms: f64,
    /// Multiply-adds a millisecond.
    rate: f64,
}

impl Pace {
    pub(super) fn new(on_cpu: bool) -> Self {
        if on_cpu {
            Self { target_ms: CPU_TARGET_MS, rate: CPU_FIRST_RATE }
        } else {
            Self { target_ms: TARGET_MS, rate: FIRST_RATE }
        }
    }

    /// Submits a step in slices: the last, with the copy that is wanted of its results, is on its way when this returns, and
    /// the one before it is done.
    ///
    /// # Errors
    /// `aborted` between two slices; `device_lost`, `gpu`.
    pub(super) async fn run(
        &mut self,
        gpu: &Gpu,
        recording: &Recording,
        shape: &StepShape,
        copy: Option<Copy<'_>>,
        cancel: &Cancel,
    ) -> Result<()> {
        let work = recording.work(shape);
        let (mut first, mut copy) = (0, copy);
        while first < work.len() {
            cancel.check()?;
            let slice = self.slice(&work, first);
            first = slice.end;
            let slice_work = work[slice.clone()].iter().sum();
            let copy = if slice.end == work.len() { copy.take() } else { None };
            let started = gpu.now_ms();
            gpu.submit(recording, slice, shape, copy);
            if first < work.len() {
                gpu.done().await?;
                self.took(slice_work, gpu.now_ms() - started);
            }
        }
        Ok(())
    }

    /// The dispatches from `first` on that one submit should take; at least one.
    pub(super) fn slice(&self, work: &[u64], first: usize) -> Range<usize> {
        let most = self.target_ms * self.rate;
        let mut sum = 0.0;
        let fits = work[first..].iter().take_while(|work| {
            sum += **work as f64;
            sum <= most
        });
        first..first + fits.count().max(1)
    }

    /// A submit of so much work took so long. One slow submit does not slow the next ones down at once.
    pub(super) fn took(&mut self, work: u64, ms: f64) {
        if work > 0 && ms > 0.1 {
            self.rate = (self.rate * (work as f64 / ms)).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_follows_what_was_measured() {
        let mut pace = Pace::new(false);
        let work = [0, 400_000_000, 0, 300_000_000, 200_000_000, 2_000_000_000, 0];
        assert_eq!(pace.slice(&work, 0), 0..4);
        assert_eq!(pace.slice(&work, 4), 4..5);
        // More than a submit should take, and it cannot be cut.
        assert_eq!(pace.slice(&work, 5), 5..6);
        assert_eq!(pace.slice(&work, 6), 6..7);
        // A device of a tenth of the speed: slices come to take what they should.
        for _ in 0..20 {
            pace.took(100_000_000, 50.0);
        }
        assert_eq!(pace.slice(&[20_000_000; 10], 0), 0..4);
    }
}
