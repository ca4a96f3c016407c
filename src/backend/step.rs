//! What the CPU tells kernels of a step (`shaders/lib/step.wgsl`).

use crate::gpu::{Draw, Gpu, GpuBuffer, StepShape};
use crate::ops::StepRow;

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
