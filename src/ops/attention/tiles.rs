//! How `shaders/attention_tile.wgsl` cuts the queries of a step.

use std::ops::Range;

use super::{ALL, Attention};
use crate::gpu::StepShape;

/// vec4s of the queries of a tile.
const TILE_VEC4S: u32 = 512;

/// Tiles of `shaders/attention_tile.wgsl`: queries of one KV head, which are rows by the query heads that read it.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) kv_heads: u32,
    /// Query heads of a KV head.
    heads: u32,
    /// Queries of a tile.
    queries: u32,
    window: u32,
}

impl Tiles {
    pub(super) fn new(op: &Attention, queries: u32) -> Self {
        let quads = tile_quads(op.head_dim, queries);
        Self { kv_heads: op.kv_heads, heads: op.heads / op.kv_heads, queries: TILE_VEC4S / quads, window: op.window() }
    }

    /// Tiles of a KV head.
    pub(super) fn count(self, s: &StepShape) -> u32 {
        (s.n_rows * self.heads).div_ceil(self.queries)
    }

    /// Positions that these tiles of a KV head load, each once, for rows that are consecutive positions.
    pub(super) fn positions(self, s: &StepShape, tiles: Range<u32>) -> u64 {
        if self.window == ALL {
            return u64::from(tiles.end - tiles.start) * u64::from(s.source_length);
        }
        let start = s.kv_length.saturating_sub(s.n_rows);
        let of_tile = |tile: u32| {
            let first = tile * self.queries / self.heads;
            let last = ((tile + 1) * self.queries - 1) / self.heads;
            let end = start + last.min(s.n_rows - 1) + 1;
            let begin = if self.window == 0 { 0 } else { (start + first + 1).saturating_sub(self.window) };
            u64::from(end - begin)
        };
        tiles.map(of_tile).sum()
    }
}

/// vec4s that a head takes in `shaders/attention_tile.wgsl` (QUADS), with at most so many queries in a tile.
pub(super) fn tile_quads(head_dim: u32, queries: u32) -> u32 {
    head_dim.div_ceil(4).next_power_of_two().max(TILE_VEC4S / queries.clamp(8, 32))
}
