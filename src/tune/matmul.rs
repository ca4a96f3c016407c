//! Matrices times many rows: tiles on GPUs.

use std::rc::Rc;

use super::case::{Case, Step, operand, steps_row};
use super::probe::{self, Found, Probe};
use super::{Kernels, TOLERANCE, Tuning, Wanted};
use crate::error::Result;
use crate::gpu::upload::GpuMatrix;
use crate::gpu::{DispatchSpec, Gpu, GpuBuffer, Usage};
use crate::ops::linear::{Linear, LinearWeights, byte_rows_bytes};
use crate::ops::{CpuMatrix, KvFormat, Lowering, Operand, Rows};
use crate::quant::Format;

/// Rows of w and of x of the case that is checked: more than one tile of some shapes has, and no whole number of any.
const CHECK_ROWS: (u32, u32) = (72, 41);
/// The same of the case that is timed, and columns: half a layer of a model of a billion weights, and a piece of a prompt.
const TIMED_SHAPE: (u32, u32, u32) = (1024, 64, 2048);
/// Ops of one timing.
const TIMED_OPS: usize = 2;

/// The kernel for it on CPU adapters.
pub(super) const FOR_CPU: &str = "matmul_rows";

fn rows_of(n: u32, cols: u32) -> Rows {
    Rows { data: (0..n).flat_map(|i| steps_row(cols, i)).collect(), width: cols as usize }
}

fn lower(
    gpu: &Gpu,
    tuning: &Tuning,
    matrix: &GpuMatrix,
    x: &Operand,
    (y, step): (&Operand, &Step),
    nothing: &Rc<GpuBuffer>,
) -> Vec<DispatchSpec> {
    let bytes = byte_rows_bytes(step.shape.n_rows, matrix.cols);
    let bytes = Rc::new(gpu.create_buffer("tune.bytes", bytes, Usage::Storage));
    let max_rows = step.shape.n_rows;
    let ctx = Lowering { max_rows, bytes: Some(&bytes), ..step.lowering(tuning.variants(KvFormat::F32), nothing) };
    let read = LinearWeights { weight: matrix, bias: None, norm: None };
    Linear::default().lower(&ctx, "tune", read, (x, None), y)
}

/// Whether tiles of matrices of every format are right; on CPU adapters of those that the model multiplies many rows with, which its head
/// may not be.
pub(super) async fn check(gpu: &Gpu, tuning: &Tuning, wanted: &Wanted<'_>) -> Result<Found> {
    let activations = super::Role::Matmul.activations(tuning);
    let mut all = Found { right: true, error: 0.0 };
    let is_needed = |format: &&Format| tuning.kernels != Kernels::Rows || wanted.uses(FOR_CPU, Some(**format));
    for format in wanted.formats.iter().filter(is_needed) {
        let (rows, n) = CHECK_ROWS;
        let cols = (96 / format.block_weights() as u32).max(1) * format.block_weights() as u32;
        let case = Case::new(*format, (rows, cols))?;
        let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
        let matrix = case.upload(gpu, &nothing).await?;
        let x = rows_of(n, cols);
        let (gpu_x, y) = (operand(gpu, &x), operand(gpu, &Rows::zeros(n as usize, rows as usize)));
        let step = Step::new(gpu, n, 0);
        let specs = lower(gpu, tuning, &matrix, &gpu_x, (&y, &step), &nothing);
        let read = LinearWeights { weight: &case as &dyn CpuMatrix, bias: None, norm: None };
        let exact = Linear::default().reference(&x, read, None);
        let wanted = match format.integer_dot() {
            Some(_) => Linear::default().reference_rounded(activations, &x, read, None),
            None => exact.clone(),
        };
        let found = Probe { specs, shape: step.shape, y, exact, wanted, tolerance: TOLERANCE }.run(gpu).await?;
        all = Found { right: all.right && found.right, error: all.error.max(found.error) };
        if !all.right {
            break;
        }
    }
    Ok(all)
}

/// Microseconds of a linear.
pub(super) async fn time(gpu: &Gpu, tuning: &Tuning, format: Format) -> Result<f64> {
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let (rows, n, cols) = TIMED_SHAPE;
    let matrix = GpuMatrix::new(gpu, "tune.weight", format, rows, cols, &nothing);
    let (x, y) = (operand(gpu, &rows_of(n, cols)), operand(gpu, &Rows::zeros(n as usize, rows as usize)));
    let step = Step::new(gpu, n, 0);
    let specs = (0..TIMED_OPS).flat_map(|_| lower(gpu, tuning, &matrix, &x, (&y, &step), &nothing)).collect();
    probe::time(gpu, specs, TIMED_OPS, &step.shape).await
}
