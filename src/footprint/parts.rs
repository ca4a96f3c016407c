//! How a matrix is cut and laid out on a device, restated.

use super::Device;
use crate::graph::Weight;
use crate::quant::Format;

/// Rows of the parts of a matrix as they are allocated: none is longer than a binding, and each has whole groups of quads.
pub(super) fn part_rows(weight: &Weight, device: Device) -> impl Iterator<Item = u64> {
    let (quants, _) = weight.format.gpu_row_bytes(u64::from(weight.cols));
    let rows = u64::from(weight.rows);
    let most = (device.max_bytes / quants.max(1)).min(rows.next_multiple_of(32)) / 32 * 32;
    let whole = 4 * quads_together(weight.format, device);
    let most = most.max(32);
    (0..rows.div_ceil(most)).map(move |part| (rows - part * most).min(most).next_multiple_of(whole))
}

/// Software adapters have the blocks of eight quads of rows side by side.
fn quads_together(format: Format, device: Device) -> u64 {
    if device.is_fallback && !format.is_float() && format.block_weights() == 32 { 8 } else { 1 }
}
