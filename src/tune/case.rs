//! What kernels are checked on: a small matrix as a file stores it, and rows that any device rounds to the same bytes.

use std::rc::Rc;

use crate::error::Result;
use crate::gpu::upload::{GpuMatrix, RowTake, Slice, Uploader, repack_kernels};
use crate::gpu::{Gpu, GpuBuffer, StepShape, Usage};
use crate::ops::elementwise::Function;
use crate::ops::linear::TILE_ROWS;
use crate::ops::{CpuMatrix, Lowering, Operand, Rows, StepRow, Variants, prepared_stride, row_stride};
use crate::quant::Format;
use crate::weights::VecBytes;

/// Stored bytes that hold every kind of scale: ordinary, negative, and subnormal as a half float.
pub(super) struct Case {
    format: Format,
    shape: (u32, u32),
    bytes: Vec<u8>,
}

impl Case {
    pub(super) fn new(format: Format, shape: (u32, u32)) -> Result<Self> {
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

    pub(super) async fn upload(&self, gpu: &Gpu, nothing: &Rc<GpuBuffer>) -> Result<GpuMatrix> {
        let (rows, cols) = self.shape;
        let matrix = GpuMatrix::new(gpu, "tune.weight", self.format, rows, cols, nothing);
        let end = self.bytes.len() as u64 / self.format.block_bytes();
        let (take, stored) = (RowTake::all(rows), self.format);
        let slice = Slice { chunk_byte: 0, first: 0, end, row_offset: 0, take, stored, tensor: 0 };
        let uploader = Uploader::new(gpu, self.bytes.len() as u64);
        // The model's own may be on their way already.
        gpu.compile(&repack_kernels(gpu, [(stored, &take)].into_iter())).await?;
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

/// A row whose products with [`norm_row`] are exact and, rounded to bytes, no ties: a quarter off whole steps, of which the largest
/// of a sub-block is 127. So every device rounds them alike, whatever the last bit of its divisions.
pub(super) fn row(n: u32) -> Rows {
    let value = |(i, norm): (u32, &f32)| {
        let block = i / 32;
        let steps = match i % 32 == block * 5 % 32 {
            true => 127.0,
            false => ((i * 37 + 11) % 253) as f32 - 126.0 + [0.25, -0.25, 0.0][i as usize % 3],
        };
        steps / 64.0 * [1.0, 0.5, 4.0][block as usize % 3] / norm
    };
    let norms = norm_row(n);
    Rows { data: (0..n).zip(&norms.data).map(value).collect(), width: n as usize }
}

/// A row whose products with [`norm_row`] are whole numbers up to 2 times a power of two for each sub-block: sums of a few of their
/// products with codes are whole numbers up to 2048, which half floats hold.
pub(super) fn exact_row(n: u32) -> Rows {
    let value =
        |(i, norm): (u32, &f32)| (((i * 7 + i / 32) % 5) as f32 - 2.0) * [0.5, 4.0, 1.0][i as usize / 32 % 3] / norm;
    let norms = norm_row(n);
    Rows { data: (0..n).zip(&norms.data).map(value).collect(), width: n as usize }
}

/// Powers of two, some negative.
pub(super) fn norm_row(n: u32) -> Rows {
    let value = |i: u32| [1.0, -0.5, 2.0, 0.25][i as usize / 3 % 4];
    Rows { data: (0..n).map(value).collect(), width: n as usize }
}

/// Row `i` of many, which any device rounds to the same bytes as [`row`] does times its norm.
pub(super) fn steps_row(n: u32, i: u32) -> Vec<f32> {
    let scale = [1.0, -2.0, 0.5][i as usize % 3];
    row(n).data.iter().zip(&norm_row(n).data).map(|(value, norm)| value * norm * scale).collect()
}

/// Rows of values between -1 and 1.
pub(super) fn random_rows(rows: u32, width: u32, mut seed: u32) -> Rows {
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    Rows { data: (0..rows * width).map(|_| next()).collect(), width: width as usize }
}

/// A step of consecutive rows of one sequence.
pub(super) struct Step {
    pub(super) rows: Vec<StepRow>,
    pub(super) shape: StepShape,
    buffer: Rc<GpuBuffer>,
}

impl Step {
    pub(super) fn new(gpu: &Gpu, n_rows: u32, first_position: u32) -> Self {
        let row = |i| StepRow { token: 0, slot: 0, position: first_position + i };
        let rows: Vec<_> = (0..n_rows).map(row).collect();
        let mut words = vec![n_rows, 1, 0, 0];
        rows.iter().for_each(|row| words.extend([row.token, row.slot, row.position, 0]));
        let buffer = Rc::new(gpu.create_buffer("tune.step", words.len() as u64 * 4, Usage::Storage));
        gpu.write(&buffer, 0, bytemuck::cast_slice(&words));
        let shape = StepShape { n_rows, n_outputs: 1, kv_length: first_position + n_rows, ..StepShape::default() };
        Self { rows, shape, buffer }
    }

    /// What ops of one row are lowered with.
    pub(super) fn lowering<'a>(&'a self, variants: Variants, nothing: &'a Rc<GpuBuffer>) -> Lowering<'a> {
        Lowering {
            variants,
            step: &self.buffer,
            nothing,
            scores: None,
            partials: nothing,
            bytes: None,
            max_rows: 1,
            max_work: u64::MAX,
            gate: Function::SiluMul,
        }
    }
}

/// Rows on the GPU, with room for whole tiles.
pub(super) fn operand(gpu: &Gpu, values: &Rows) -> Operand {
    let width = values.width as u32;
    let stride = row_stride(width);
    let n_rows = if values.len() == 1 { 1 } else { (values.len() as u64).next_multiple_of(u64::from(TILE_ROWS)) };
    let buffer = Rc::new(gpu.create_buffer("tune.operand", n_rows * u64::from(stride) * 4, Usage::Storage));
    let mut data = vec![0.0f32; values.len() * stride as usize];
    for (row, values) in data.chunks_mut(stride as usize).zip(values.data.chunks(values.width)) {
        row[..values.len()].copy_from_slice(values);
    }
    gpu.write(&buffer, 0, bytemuck::cast_slice(&data));
    Operand { buffer, stride, offset: 0, width, outputs: false, prepared: None }
}

/// The same with the norm by `weight` prepared, as [`Operand::prepared`] has it.
pub(super) fn prepared_operand(gpu: &Gpu, values: &Rows, weight: &Rows) -> Operand {
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
