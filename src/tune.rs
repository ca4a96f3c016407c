//! Which kernels fit the device. Each variant that may be used is run on a small case and compared with the reference: some
//! drivers compute wrongly. On GPUs those that are right are timed, for no longer than 300 ms; CPU adapters have a
//! fixed order, measured beforehand (`docs/performance.md`).

use std::rc::Rc;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::gpu::upload::{GpuMatrix, RowTake, Slice, Uploader};
use crate::gpu::{Capabilities, Copy, DispatchSpec, Gpu, GpuBuffer, Recording, StepShape, Usage};
use crate::ops::elementwise::Function;
use crate::ops::linear::{Linear, LinearWeights};
use crate::ops::rms_norm::RmsNorm;
use crate::ops::{CpuMatrix, KvFormat, Lowering, Operand, Reduce, Rows, Variants, prepared_stride, row_stride};
use crate::quant::Format;
use crate::weights::VecBytes;

/// Timing ends after so long; variants not timed by then are not chosen.
const BUDGET_MS: f64 = 300.0;
/// Rows of the case that is checked, more than one workgroup has, and stored blocks of a row: sub-blocks that no workgroup divides.
const CHECK_SHAPE: (u32, u32) = (72, 3);
/// Rows and columns of the case that is timed: a layer of a model of a billion weights.
const TIMED_SHAPE: (u32, u32) = (2048, 2048);
/// Dispatches of one timing.
const TIMED_DISPATCHES: usize = 16;
/// Rounding of f32 sums, relative to the largest result.
const TOLERANCE: f32 = 1e-5;

/// The kernels for matrices times one row, as the caller may force them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernels {
    /// One invocation a row, no cooperation: for CPU adapters.
    Rows,
    /// Cooperation through workgroup memory.
    Workgroup,
    /// Cooperation by subgroup operations.
    Subgroup,
}

impl Kernels {
    /// By name, as options and stored choices spell it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "rows" => Some(Self::Rows),
            "workgroup" => Some(Self::Workgroup),
            "subgroup" => Some(Self::Subgroup),
            _ => None,
        }
    }
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// The kernels.
    pub kernels: Kernels,
    /// Invocations of a workgroup.
    pub workgroup: u32,
    /// Loads are shared by broadcasts within subgroups of four.
    pub broadcast: bool,
    /// What was looked at, in order.
    pub tried: Vec<Trial>,
    /// Milliseconds that the choice took.
    pub ms: f64,
}

/// A variant that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// Its name.
    pub variant: String,
    /// Whether it agrees with the reference.
    pub right: bool,
    /// Microseconds of a dispatch, where it was timed.
    pub micros: Option<f64>,
}

impl Tuning {
    fn of(variants: &Variants) -> Self {
        let kernels = match variants.matvec {
            Reduce::None => Kernels::Rows,
            Reduce::Workgroup => Kernels::Workgroup,
            Reduce::Subgroup => Kernels::Subgroup,
        };
        let Variants { matvec_workgroup, broadcast, .. } = *variants;
        Self { kernels, workgroup: matvec_workgroup, broadcast, tried: Vec::new(), ms: 0.0 }
    }

    fn name(&self) -> String {
        let Self { kernels, workgroup, broadcast, .. } = self;
        match kernels {
            Kernels::Rows if *broadcast => "rows, with broadcasts".to_owned(),
            Kernels::Rows => "rows".to_owned(),
            Kernels::Workgroup => format!("workgroup {workgroup}"),
            Kernels::Subgroup => format!("subgroup {workgroup}"),
        }
    }

    /// The variants that a model lowers with.
    pub fn variants(&self, kv: KvFormat) -> Variants {
        let reduce = match self.kernels {
            Kernels::Rows => Reduce::None,
            Kernels::Workgroup => Reduce::Workgroup,
            Kernels::Subgroup => Reduce::Subgroup,
        };
        let Self { workgroup, broadcast, .. } = *self;
        Variants { matvec: reduce, matvec_workgroup: workgroup, broadcast, norm: reduce, kv }
    }
}

/// What [`tune`] will most likely choose on such a device.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not.
pub fn likeliest(capabilities: &Capabilities, forced: Option<Kernels>) -> Result<Tuning> {
    candidates(capabilities, forced).into_iter().next().ok_or_else(no_subgroups)
}

fn no_subgroups() -> Error {
    Error::unsupported("subgroups", "this GPU offers no subgroup operations")
}

/// What may be used on the device, the likeliest first.
fn candidates(capabilities: &Capabilities, forced: Option<Kernels>) -> Vec<Tuning> {
    let rows = Variants {
        matvec: Reduce::None,
        matvec_workgroup: 16,
        broadcast: false,
        norm: Reduce::None,
        kv: KvFormat::F32,
    };
    let mut all = Vec::new();
    let broadcast = capabilities.subgroup_size == Some(4);
    for broadcast in [broadcast, false] {
        all.push(Tuning::of(&Variants { broadcast, ..rows }));
    }
    for matvec_workgroup in [64, 32, 128] {
        if capabilities.subgroups {
            all.push(Tuning::of(&Variants { matvec: Reduce::Subgroup, matvec_workgroup, ..rows }));
        }
        all.push(Tuning::of(&Variants { matvec: Reduce::Workgroup, matvec_workgroup, ..rows }));
    }
    let fits = |tuning: &Tuning| match forced {
        Some(kernels) => tuning.kernels == kernels,
        None => (tuning.kernels == Kernels::Rows) == capabilities.is_fallback,
    };
    all.retain(fits);
    all.dedup();
    all
}

/// Chooses the kernels for matrices of `formats`, of which the first is the commonest, in a model of such gates.
///
/// # Errors
/// `unsupported` if the caller forces kernels that the device has not; `gpu` if no variant computes what the reference does;
/// `device_lost`.
pub async fn tune(gpu: &Gpu, formats: &[Format], gate: Function, forced: Option<Kernels>) -> Result<Tuning> {
    let candidates = candidates(gpu.capabilities(), forced);
    if candidates.is_empty() {
        return Err(no_subgroups());
    }
    choose(gpu, formats, gate, candidates).await
}

/// Chooses among `candidates`, as [`tune`] does among those that may be used on the device.
///
/// # Errors
/// As [`tune`].
pub async fn choose(gpu: &Gpu, formats: &[Format], gate: Function, candidates: Vec<Tuning>) -> Result<Tuning> {
    let started = gpu.now_ms();
    let mut tried = Vec::new();
    let mut best: Option<(f64, Tuning)> = None;
    // On CPU adapters the order is the choice; where only one may be used there is none.
    let timed = !gpu.capabilities().is_fallback && candidates.len() > 1;
    for candidate in candidates {
        let out_of_time = gpu.now_ms() - started > BUDGET_MS;
        if best.is_some() && (!timed || out_of_time) {
            break;
        }
        let mut right = true;
        for format in formats {
            right = right && is_right(gpu, &candidate, *format, gate).await?;
        }
        let micros = match formats.first() {
            Some(format) if timed && right => Some(time(gpu, &candidate, *format, gate).await?),
            _ => None,
        };
        tried.push(Trial { variant: candidate.name(), right, micros });
        let cost = micros.unwrap_or_default();
        if right && best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, candidate));
        }
    }
    let ms = gpu.now_ms() - started;
    match best {
        Some((_, tuning)) => Ok(Tuning { tried, ms, ..tuning }),
        None => Err(Error::new(
            ErrorKind::Gpu,
            "this GPU or its driver computes wrongly: no kernel agrees with the reference; update the driver or use another GPU",
        )),
    }
}

/// Stored bytes that hold every kind of scale: ordinary, negative, and subnormal as a half float.
struct Case {
    format: Format,
    shape: (u32, u32),
    bytes: Vec<u8>,
}

impl Case {
    fn new(format: Format, shape: (u32, u32)) -> Result<Self> {
        let mut seed = 1u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as u16
        };
        let n_bytes = format.row_bytes(u64::from(shape.1))? * u64::from(shape.0);
        let mut bytes = vec![0u8; n_bytes as usize];
        let block_bytes = format.block_bytes() as usize;
        for (i, block) in bytes.chunks_exact_mut(block_bytes).enumerate() {
            block.iter_mut().for_each(|byte| *byte = next() as u8);
            let scale = [0x2400u16, 0x9c00, 0x0003, 0x8200][i % 4] | (next() & 0x7f);
            match format {
                Format::F32 => block.copy_from_slice(&(f32::from(next()) / 65536.0 - 0.5).to_le_bytes()),
                Format::BF16 => block[1] = [0x3e, 0xbd][i % 2],
                Format::F16 => block[1] = [0x34, 0xb1, 0x00, 0x83][i % 4],
                Format::MXFP4 => block[0] = [118, 122][i % 2],
                _ => {}
            }
            // A minimum has the other sign.
            for (at, sign) in format.spec().halves_at.iter().zip([0, 0x8000]) {
                block[*at..at + 2].copy_from_slice(&(scale ^ sign).to_le_bytes());
            }
        }
        Ok(Self { format, shape, bytes })
    }

    fn upload(&self, gpu: &Gpu, nothing: &Rc<GpuBuffer>) -> Result<GpuMatrix> {
        let (rows, cols) = self.shape;
        let matrix = GpuMatrix::new(gpu, "tune.weight", self.format, rows, cols, nothing);
        let end = self.bytes.len() as u64 / self.format.block_bytes();
        let slice =
            Slice { chunk_byte: 0, first: 0, end, row_offset: 0, take: RowTake::all(rows), stored: self.format };
        let uploader = Uploader::new(gpu, self.bytes.len() as u64);
        uploader.upload(gpu, &VecBytes::from(self.bytes.clone()), &[(matrix.clone(), slice)])?;
        Ok(matrix)
    }
}

impl CpuMatrix for Case {
    fn shape(&self) -> (usize, usize) {
        (self.shape.0 as usize, self.shape.1 as usize)
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        let row_bytes = self.bytes.len() / self.shape.0 as usize;
        self.format.dequantize(&self.bytes[row * row_bytes..][..row_bytes], out);
    }
}

/// A row of numbers in [-1, 1).
fn row(n: u32) -> Rows {
    let value = |i: u32| ((i * 37 + 11) % 64) as f32 / 32.0 - 1.0;
    Rows { data: (0..n).map(value).collect(), width: n as usize }
}

fn operand(gpu: &Gpu, values: &Rows) -> Operand {
    let width = values.width as u32;
    let stride = row_stride(width);
    let buffer = Rc::new(gpu.create_buffer("tune.operand", u64::from(stride) * 4, Usage::Storage));
    gpu.write(&buffer, 0, bytemuck::cast_slice(&values.data));
    Operand { buffer, stride, offset: 0, width, outputs: false, prepared: None }
}

/// The same with the norm by `weight` prepared, as [`Operand::prepared`] has it.
fn prepared_operand(gpu: &Gpu, values: &Rows, weight: &Rows) -> Operand {
    let width = values.width as u32;
    let (values, weight, columns) = (&values.data, &weight.data, row_stride(width) as usize);
    let mut data = vec![0.0; prepared_stride(width) as usize];
    data[..values.len()].copy_from_slice(values);
    for (i, (value, weight)) in values.iter().zip(weight).enumerate() {
        data[columns + i] = value * weight;
        data[2 * columns + i / 32 * 4] += value * value;
    }
    let data = Rows { width: data.len(), data };
    let norm = operand(gpu, &Rows { data: weight.clone(), width: weight.len() });
    Operand { width, prepared: Some(norm.buffer), ..operand(gpu, &data) }
}

/// The dispatches of a linear with a folded norm, as most of a decoded token's are.
fn lower(
    gpu: &Gpu,
    tuning: &Tuning,
    gate: Function,
    matrix: &GpuMatrix,
    nothing: &Rc<GpuBuffer>,
) -> (Linear, Operand, Vec<DispatchSpec>) {
    let op = Linear { norm: Some(RmsNorm { weight: 0, eps: 1e-5 }), ..Linear::default() };
    let y = operand(gpu, &Rows::zeros(1, matrix.rows as usize));
    let (x, norm) = (row(matrix.cols), row(matrix.cols));
    let variants = tuning.variants(KvFormat::F32);
    let x = if variants.prepares_norms() { prepared_operand(gpu, &x, &norm) } else { operand(gpu, &x) };
    let norm = operand(gpu, &norm);
    let ctx = Lowering {
        variants,
        step: nothing,
        nothing,
        scores: None,
        partials: nothing,
        max_rows: 1,
        max_work: u64::MAX,
        gate,
    };
    let read = LinearWeights { weight: matrix, bias: None, norm: Some(&norm.buffer) };
    let specs = op.lower(&ctx, "tune", read, (&x, None), &y);
    (op, y, specs)
}

fn one_row() -> StepShape {
    StepShape { n_rows: 1, n_outputs: 1, kv_length: 1, ..StepShape::default() }
}

/// Whether a variant computes what the reference does.
async fn is_right(gpu: &Gpu, tuning: &Tuning, format: Format, gate: Function) -> Result<bool> {
    let (rows, cols) = (CHECK_SHAPE.0, CHECK_SHAPE.1 * format.block_weights().max(32) as u32);
    let case = Case::new(format, (rows, cols))?;
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let matrix = case.upload(gpu, &nothing)?;
    let x = row(cols);
    let (op, y, specs) = lower(gpu, tuning, gate, &matrix, &nothing);
    let norm = row(cols);
    let wanted = op.reference(&x, LinearWeights { weight: &case, bias: None, norm: Some(&norm.data) }, None);
    let kernels: Vec<_> = specs.iter().map(|spec| spec.kernel.clone()).collect();
    gpu.compile(&kernels).await?;
    let recording = Recording::new(gpu, "tune", specs)?;
    let n_bytes = u64::from(rows) * 4;
    let readback = gpu.create_buffer("tune.readback", n_bytes, Usage::Readback);
    // Twice: some drivers are right the first time only.
    for _ in 0..2 {
        let copy = Copy { source: &y.buffer, offset: 0, readback: &readback, n_bytes };
        gpu.submit(&recording, 0..recording.len(), &one_row(), Some(copy));
        let got = gpu.read(&readback, n_bytes).await?;
        let got: Vec<f32> = bytemuck::pod_collect_to_vec(&got);
        let scale = wanted.data.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * scale;
        // NaN is not close.
        if !got.iter().zip(&wanted.data).all(close) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Microseconds of a dispatch.
async fn time(gpu: &Gpu, tuning: &Tuning, format: Format, gate: Function) -> Result<f64> {
    let nothing = Rc::new(gpu.create_buffer("tune.nothing", 256, Usage::Storage));
    let (rows, cols) = TIMED_SHAPE;
    let matrix = GpuMatrix::new(gpu, "tune.weight", format, rows, cols, &nothing);
    let specs = (0..TIMED_DISPATCHES).flat_map(|_| lower(gpu, tuning, gate, &matrix, &nothing).2).collect();
    let recording = Recording::new(gpu, "tune", specs)?;
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let started = gpu.now_ms();
        gpu.submit(&recording, 0..recording.len(), &one_row(), None);
        gpu.done().await?;
        least = least.min(gpu.now_ms() - started);
    }
    Ok(least * 1000.0 / TIMED_DISPATCHES as f64)
}
