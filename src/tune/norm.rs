//! Norms of rows: how a workgroup adds up, and how large it is.

use std::rc::Rc;

use super::case::{Step, operand, random_rows};
use super::probe::{self, Found, Probe};
use super::{TOLERANCE, Tuning};
use crate::error::Result;
use crate::gpu::{DispatchSpec, Gpu, GpuBuffer, Usage};
use crate::ops::rms_norm::RmsNorm;
use crate::ops::{KvFormat, Lowering, Operand, Rows};

/// Rows and width of the case that is checked, no whole number of vec4s or workgroups, and of the one that is timed.
const CHECK_SHAPE: (u32, u32) = (5, 1090);
const TIMED_SHAPE: (u32, u32) = (64, 2048);
/// Ops of one timing.
const TIMED_OPS: usize = 16;

const OP: RmsNorm = RmsNorm { weight: 0, eps: 1e-5 };

struct Case {
    x: Rows,
    weight: Rows,
    step: Step,
    nothing: Rc<GpuBuffer>,
}

impl Case {
    fn new(gpu: &Gpu, (n, width): (u32, u32)) -> Self {
        let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
        Self { x: random_rows(n, width, 1), weight: random_rows(1, width, 2), step: Step::new(gpu, n, 0), nothing }
    }

    fn lower(&self, gpu: &Gpu, tuning: &Tuning) -> (Vec<DispatchSpec>, Operand) {
        let max_rows = self.step.shape.n_rows;
        let ctx = Lowering { max_rows, ..self.step.lowering(tuning.variants(KvFormat::F32), &self.nothing) };
        let (x, weight, y) = (operand(gpu, &self.x), operand(gpu, &self.weight), operand(gpu, &self.x));
        (OP.lower(&ctx, "tune", &weight.buffer, &x, &y), y)
    }
}

/// Whether such norms are right.
pub(super) async fn check(gpu: &Gpu, tuning: &Tuning) -> Result<Found> {
    let case = Case::new(gpu, CHECK_SHAPE);
    let (specs, y) = case.lower(gpu, tuning);
    let exact = OP.reference(&case.x, &case.weight.data);
    Probe { specs, shape: case.step.shape, y, wanted: exact.clone(), exact, tolerance: TOLERANCE }.run(gpu).await
}

/// Microseconds of a norm.
pub(super) async fn time(gpu: &Gpu, tuning: &Tuning) -> Result<f64> {
    let case = Case::new(gpu, TIMED_SHAPE);
    let specs = (0..TIMED_OPS).flat_map(|_| case.lower(gpu, tuning).0).collect();
    probe::time(gpu, specs, TIMED_OPS, &case.step.shape).await
}
