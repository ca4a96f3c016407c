//! Where a long attention is cut into dispatches.

use crate::ops::{GpuKvLayer, Lowering};

/// How an attention over many rows is cut into dispatches that none of them takes long: by rows, or by tiles of queries. A
/// step that is short enough is one dispatch; the grids of the others are empty then.
#[derive(Clone, Copy)]
pub(super) struct Pieces {
    /// How many there are.
    pub(super) n: u32,
    /// Rows or tiles of a piece.
    pub(super) length: u32,
    /// Multiply-adds of a (row, position).
    macs: u64,
    max_work: u64,
}

impl Pieces {
    /// For at most `units` rows or tiles of work, over all that the cache holds.
    pub(super) fn new(ctx: &Lowering<'_>, macs: u64, units: u32, cache: &GpuKvLayer) -> Self {
        let most = macs * u64::from(ctx.max_rows) * u64::from(cache.capacity);
        let n = most.div_ceil(ctx.max_work).clamp(1, u64::from(units)) as u32;
        let length = units.div_ceil(n);
        Self { n: units.div_ceil(length), length, macs, max_work: ctx.max_work }
    }

    /// How many of the `units` of a step of `n_rows` rows that look at up to `reach` positions a piece has.
    pub(super) fn count(self, piece: u32, units: u32, n_rows: u32, reach: u32) -> u32 {
        let whole = self.macs * u64::from(n_rows) * u64::from(reach) <= self.max_work;
        match piece {
            0 if whole => units,
            _ if whole => 0,
            _ => units.saturating_sub(piece * self.length).min(self.length),
        }
    }

    /// The multiply-adds of `count` of them.
    pub(super) fn work(self, count: u32, units: u32, n_rows: u32, reach: u32) -> u64 {
        self.macs * u64::from(n_rows) * u64::from(reach) * u64::from(count) / u64::from(units.max(1))
    }
}
