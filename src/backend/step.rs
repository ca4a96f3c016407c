//! What the CPU tells kernels of a step (`shaders/lib/step.wgsl`), and how it reads what came out.

use crate::error::Result;
use crate::gpu::{Draw, Gpu, GpuBuffer, StepShape};
use crate::ops::{Operand, StepRow};

/// Bytes of a step of so many rows.
pub(super) fn bytes(max_rows: usize) -> u64 {
    16 + 16 * max_rows as u64
}

/// Writes a step. `source_length` is how many tokens the text has that an encoder reads or has read.
pub(super) fn write(
    gpu: &Gpu,
    buffer: &GpuBuffer,
    rows: &[StepRow],
    n_outputs: usize,
    source_length: u32,
    draw: Draw,
) -> StepShape {
    let mut words = vec![rows.len() as u32, n_outputs as u32, source_length, 0];
    for row in rows {
        words.extend([row.token, row.slot, row.position, 0]);
    }
    gpu.write(buffer, 0, bytemuck::cast_slice(&words));
    let kv_length = rows.iter().map(|row| row.position + 1).max().unwrap_or(0);
    StepShape { n_rows: rows.len() as u32, n_outputs: n_outputs as u32, kv_length, source_length, draw }
}

/// The first `n_rows` rows of a value on the GPU, through `readback`: `[n_rows, width]`.
pub(super) async fn read_rows(gpu: &Gpu, value: &Operand, readback: &GpuBuffer, n_rows: usize) -> Result<Vec<f32>> {
    let (stride, width) = (value.stride as usize, value.width as usize);
    let n_bytes = (n_rows * stride * 4) as u64;
    gpu.copy(&value.buffer, readback, n_bytes);
    let bytes = gpu.read(readback, n_bytes).await?;
    let mut rows = Vec::with_capacity(n_rows * width);
    for row in bytes.chunks_exact(stride * 4) {
        let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        rows.extend(row[..width * 4].chunks_exact(4).map(value));
    }
    Ok(rows)
}
