//! Stored bytes → the layout that kernels read, on the GPU: a chunk goes into a staging buffer as it is, and one `repack`
//! dispatch a slice spreads it over the matrix. See `shaders/repack.wgsl`; `cpu_repack` for what CPU adapters have instead.

use std::cell::Cell;
use std::rc::Rc;

use super::buffer::{GpuBuffer, Usage};
use super::cpu_repack::{CpuRepack, cpu_repack};
use super::device::Gpu;
use super::params::params;
use super::pipeline::KernelSpec;
use super::replay::{DispatchSpec, Recording, StepShape};
pub use super::row_take::RowTake;
use crate::error::{Error, Result};
use crate::quant::Format;
use crate::weights::Bytes;

/// Workgroups in one row of the repack grid (`shaders/repack.wgsl`).
const GRID_WIDTH: u32 = 32_768;
/// Units of a slice and rows that it is of, fewer than these: `quotient` of `shaders/repack.wgsl` divides no larger numbers.
const UNITS_MAX: u64 = 1 << 24;
const ROWS_MAX: u64 = 1 << 21;
/// Bytes of the word that says what is wrong with weights.
const FAULT_BYTES: u64 = 4;

/// The rows `[first_row, first_row + rows)` of a matrix, repacked. A matrix larger than a binding has several.
#[derive(Clone, Debug)]
pub struct MatrixPart {
    /// First row of the matrix in this part.
    pub first_row: u32,
    /// Rows in this part.
    pub rows: u32,
    /// `[quads of rows / together, sub_blocks, together, 4]` of `quant_words / 8` words each (`shaders/lib/quads.wgsl`).
    pub quants: Rc<GpuBuffer>,
    /// `[quads of rows / together, sub_blocks, together, scale_words / 8, 4]` words, or a buffer that is bound but not read.
    pub scales: Rc<GpuBuffer>,
}

/// A weight matrix on the GPU: `[rows, cols]`, rows padded to whole sub-blocks of 32.
#[derive(Clone, Debug)]
pub struct GpuMatrix {
    /// The format.
    pub format: Format,
    /// Rows, with the padding between concatenated pieces.
    pub rows: u32,
    /// Weights in a row.
    pub cols: u32,
    /// Quads of rows whose sub-blocks stand side by side.
    pub together: u32,
    /// Row ranges, in order.
    pub parts: Vec<MatrixPart>,
}

impl GpuMatrix {
    /// Room for `[rows, cols]` of `format`, split by rows so that no binding exceeds `max_binding_bytes`.
    pub fn new(gpu: &Gpu, label: &str, format: Format, rows: u32, cols: u32, no_scales: &Rc<GpuBuffer>) -> Self {
        let (quant_bytes, scale_bytes) = format.gpu_row_bytes(u64::from(cols));
        let together = together(gpu, format);
        let limit = gpu.max_bytes();
        // Parts start at multiples of 32 rows so that a quad of rows never straddles two of them.
        let rows_per_part = (limit / quant_bytes.max(1)).min(u64::from(rows.next_multiple_of(32))) / 32 * 32;
        let rows_per_part = rows_per_part.max(32) as u32;
        let mut parts = Vec::new();
        let mut first_row = 0;
        while first_row < rows {
            let part_rows = rows_per_part.min(rows - first_row);
            // Kernels read whole quads of rows, and those that stand together stand whole.
            let whole_rows = u64::from(part_rows.next_multiple_of(4 * together));
            let quants = gpu.create_buffer(label, whole_rows * quant_bytes, Usage::Storage);
            let scales = if scale_bytes == 0 {
                Rc::clone(no_scales)
            } else {
                Rc::new(gpu.create_buffer(label, whole_rows * scale_bytes, Usage::Storage))
            };
            parts.push(MatrixPart { first_row, rows: part_rows, quants: Rc::new(quants), scales });
            first_row += part_rows;
        }
        Self { format, rows, cols, together, parts }
    }

    /// Bytes that a kernel reads to use the rows of a part once.
    pub fn part_bytes(&self, part: &MatrixPart) -> u64 {
        let (quant_bytes, scale_bytes) = self.format.gpu_row_bytes(u64::from(self.cols));
        u64::from(part.rows) * (quant_bytes + scale_bytes)
    }
}

/// How many quads of rows stand together. Kernels for CPU adapters read sixteen rows with each of four invocations: side by side
/// they are one stream of memory, and not sixty-four. On GPUs the invocations of a workgroup share a quad. Blocks of 256 have
/// one set of scales for eight sub-blocks and stay as they are.
fn together(gpu: &Gpu, format: Format) -> u32 {
    let one_scale_each = !format.is_float() && format.block_weights() == 32;
    if gpu.capabilities().is_fallback && one_scale_each { 8 } else { 1 }
}

/// A slice of one stored tensor inside a chunk, and where it goes.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Byte offset of the slice in the chunk.
    pub chunk_byte: u64,
    /// The slice in stored blocks of the tensor, `[first, end)`.
    pub first: u64,
    /// See `first`.
    pub end: u64,
    /// Row of the matrix where the first of the tensor's rows goes.
    pub row_offset: u32,
    /// Which of the tensor's rows.
    pub take: RowTake,
    /// How the tensor is stored: as the matrix is, or as a part of its blocks; one that is stored by columns in any float
    /// format, where the matrix is in f32.
    pub stored: Format,
    /// The tensor's number, by which [`Uploader::check`] names it.
    pub tensor: u32,
}

params! {
    pub(crate) struct RepackParams {
        src_byte: u32,
        first: u32,
        end: u32,
        row_elements: u32,
        first_row: u32,
        row_units: u32,
        row_blocks: u32,
        row_offset: u32,
        part_first: u32,
        part_end: u32,
        rope_head_dim: u32,
        n_units: u32,
        rotary_dim: u32,
        take_first: u32,
        take_each: u32,
        take_period: u32,
        by_columns: u32,
        stored: u32,
        together: u32,
        float_at: u32,
        exponent_0: u32,
        exponent_1: u32,
        fault: u32,
        pad0: u32,
    }
}

fn repack_file(format: Format) -> &'static str {
    match format {
        Format::F32 => "repack/word",
        Format::F16 | Format::BF16 => "repack/half",
        Format::Q4_0 => "repack/q4_0",
        Format::Q4_1 => "repack/q4_1",
        Format::Q5_0 => "repack/q5_0",
        Format::Q5_1 => "repack/q5_1",
        Format::Q8_0 => "repack/q8_0",
        Format::Q2_K => "repack/q2_k",
        Format::Q3_K => "repack/q3_k",
        Format::Q4_K => "repack/q4_k",
        Format::Q5_K => "repack/q5_k",
        Format::Q6_K => "repack/q6_k",
        Format::IQ4_NL => "repack/iq4_nl",
        Format::IQ4_XS => "repack/iq4_xs",
        Format::MXFP4 => "repack/mxfp4",
        Format::MXFP4_CODES => "repack/mxfp4_codes",
        Format::MXFP4_SCALES => "repack/mxfp4_scales",
        Format::TQ1_0 => "repack/tq1_0",
        Format::TQ2_0 => "repack/tq2_0",
    }
}

/// The kernel that repacks a tensor.
fn repack_kernel(stored: Format, by_columns: u32) -> KernelSpec {
    let file = if by_columns == 0 { repack_file(stored) } else { "repack/by_columns" };
    KernelSpec::new("repack").slot("FORMAT", file)
}

/// The kernels that repack tensors, given by their formats and what is taken of them.
pub fn repack_kernels<'a>(gpu: &Gpu, tensors: impl Iterator<Item = (Format, &'a RowTake)>) -> Vec<KernelSpec> {
    let by_kernel = tensors.filter(|(stored, _)| cpu_repack(gpu, *stored).is_none());
    by_kernel.map(|(stored, take)| repack_kernel(stored, take.by_columns)).collect()
}

/// Brings chunks to the GPU. Holds one staging buffer while a model loads, and one word of what is wrong with its weights.
pub struct Uploader {
    staging: Rc<GpuBuffer>,
    /// 0, or [`fault_of`] the first tensor that has NaN or infinity.
    fault: Rc<GpuBuffer>,
    cpu: CpuRepack,
    /// The same of what was repacked on the CPU.
    cpu_fault: Cell<u32>,
}

/// What kernels write of a tensor that has NaN or infinity: of several the first is the largest. None is 0.
fn fault_of(tensor: u32) -> u32 {
    u32::MAX - tensor
}

impl Uploader {
    /// An uploader for chunks of up to `chunk_bytes`.
    pub fn new(gpu: &Gpu, chunk_bytes: u64) -> Self {
        // One word more: a value that straddles the last word is read by two.
        let buffer = |name: &str, bytes| Rc::new(gpu.create_buffer(name, bytes, Usage::Storage));
        Self {
            staging: buffer("staging", chunk_bytes.next_multiple_of(4) + 4),
            fault: buffer("fault", FAULT_BYTES),
            cpu: CpuRepack::default(),
            cpu_fault: Cell::default(),
        }
    }

    /// The first tensor of those uploaded so far that holds NaN or infinity, by its number ([`Slice::tensor`]). One read-back.
    ///
    /// # Errors
    /// `device_lost`, `gpu`; `out_of_memory`.
    pub async fn check(&self, gpu: &Gpu) -> Result<Option<u32>> {
        let readback = gpu.create_buffer("fault.readback", FAULT_BYTES, Usage::Readback);
        gpu.copy(&self.fault, &readback, FAULT_BYTES);
        let bytes = gpu.read(&readback, FAULT_BYTES).await?;
        let fault = bytes.try_into().map_or(0, u32::from_le_bytes).max(self.cpu_fault.get());
        Ok((fault != 0).then(|| fault_of(fault)))
    }

    /// Uploads one chunk and repacks the slices that it holds.
    ///
    /// # Errors
    /// `internal` if the chunk is larger than promised, or a slice has more units or rows than kernels tell apart.
    pub fn upload<B: Bytes>(&self, gpu: &Gpu, chunk: &B, slices: &[(GpuMatrix, Slice)]) -> Result<()> {
        if chunk.len() + 4 > self.staging.bytes() {
            return Err(Error::internal(format!("a chunk of {} bytes does not fit the staging buffer", chunk.len())));
        }
        let mut specs = Vec::new();
        for (matrix, slice) in slices {
            if let Some(repack) = cpu_repack(gpu, slice.stored) {
                let n_bytes = (slice.end - slice.first) * slice.stored.block_bytes();
                let bytes = chunk.slice(slice.chunk_byte, slice.chunk_byte + n_bytes).to_vec();
                for part in &matrix.parts {
                    if !self.cpu.upload(gpu, &bytes, (matrix, part), slice, repack) {
                        self.cpu_fault.set(self.cpu_fault.get().max(fault_of(slice.tensor)));
                    }
                }
                continue;
            }
            let units = if matrix.format == Format::F16 || matrix.format == Format::BF16 { 2 } else { 1 };
            let take = &slice.take;
            let row_elements = match take.by_columns {
                0 => u64::from(matrix.cols) / matrix.format.block_weights(),
                n => u64::from(n),
            };
            let row_units = row_elements.div_ceil(units);
            let floats = slice.stored.floats();
            let exponents = floats.map_or([u32::MAX; 2], |floats| floats.exponents);
            let first_row = slice.first / row_elements;
            let last_row = (slice.end - 1) / row_elements;
            let n_units = (last_row - first_row + 1) * row_units;
            let rows = if take.by_columns == 0 { last_row } else { last_row.max(row_elements) };
            if n_units >= UNITS_MAX || rows >= ROWS_MAX {
                return Err(Error::internal("a slice has more units or rows than kernels tell apart"));
            }
            for part in &matrix.parts {
                let params = RepackParams {
                    src_byte: slice.chunk_byte as u32,
                    first: slice.first as u32,
                    end: slice.end as u32,
                    row_elements: row_elements as u32,
                    first_row: first_row as u32,
                    row_units: row_units as u32,
                    row_blocks: matrix.format.sub_blocks(u64::from(matrix.cols)) as u32,
                    row_offset: slice.row_offset,
                    part_first: part.first_row,
                    part_end: part.first_row + part.rows,
                    rope_head_dim: take.head_dim,
                    n_units: n_units as u32,
                    rotary_dim: take.rotary_dim,
                    take_first: take.first,
                    take_each: take.each,
                    take_period: take.period,
                    by_columns: take.by_columns,
                    stored: match slice.stored {
                        Format::F16 => 1,
                        Format::BF16 => 2,
                        _ => 0,
                    },
                    together: matrix.together,
                    float_at: floats.map_or(0, |floats| floats.at as u32),
                    exponent_0: exponents[0],
                    // A unit of two floats is a word of them.
                    exponent_1: exponents[1] << (16 * (units - 1)),
                    // What has no floats is never at fault.
                    fault: floats.map_or(0, |_| fault_of(slice.tensor)),
                    pad0: 0,
                };
                let groups = n_units.div_ceil(64) as u32;
                specs.push(DispatchSpec {
                    label: part.quants.label().to_owned(),
                    kernel: repack_kernel(slice.stored, take.by_columns),
                    params: bytemuck::bytes_of(&params).to_vec(),
                    buffers: [&self.staging, &part.quants, &part.scales, &self.fault].map(Rc::clone).to_vec(),
                    grid: Box::new(move |_| [groups.min(GRID_WIDTH), groups.div_ceil(GRID_WIDTH), 1]),
                    weight_bytes: Box::new(|_| 0),
                    kv_bytes: Box::new(|_| 0),
                    work: Box::new(|_| 0),
                });
            }
        }
        if !specs.is_empty() {
            gpu.write_chunk(&self.staging, chunk);
            let recording = Recording::new(gpu, "upload", specs)?;
            gpu.submit(&recording, 0..recording.len(), &StepShape::default(), None);
        }
        gpu.check()
    }
}
