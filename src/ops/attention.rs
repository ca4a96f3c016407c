//! Scaled dot-product attention over the cache (Vaswani et al. 2017, eq. 1), with grouped queries (Ainslie et al. 2023). A head
//! may have a sink: a score that takes its share of the softmax, and brings no value (OpenAI 2025, § 2.3).

mod pieces;
mod rows;
mod tiles;

use std::rc::Rc;

use half::bf16;

use self::pieces::Pieces;
pub(super) use self::rows::RowsParams;
pub use self::rows::{heads_of_invocation, score_bytes};
use self::tiles::{Tiles, tile_quads};
use super::kv_write::CpuKvLayer;

use super::{GpuKvLayer, Lowering, Operand, Rows, StepRow, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// The largest head that the kernels take (`shaders/attention_tile.wgsl`, QUADS).
pub const MAX_HEAD_DIM: u32 = 256;

/// Which positions a row attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Its own and all before.
    Causal,
    /// Its own and the `n − 1` before.
    Window(u32),
    /// All of the text that an encoder reads or has read, wherever the row stands.
    All,
}

/// What stands for [`Mask::All`] in kernels (`shaders/lib/window.wgsl`).
pub(super) const ALL: u32 = u32::MAX;

/// A bias on scores by the distance from query to key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionBias {
    /// Index of the table in the graph: `[heads, 2 · reach + 1]`, that of a key at the query's own position in the middle.
    pub table: usize,
    /// Distance from which biases stay the same.
    pub reach: u32,
}

/// What attention looks at besides q and the cache. `T` is a table on the CPU or the GPU.
#[derive(Clone, Copy, Debug)]
pub struct Around<T> {
    /// Tokens of the text that an encoder reads or has read; of no meaning on the GPU, which is told by each step.
    pub source_length: u32,
    /// The table of [`Attention::bias`].
    pub biases: Option<T>,
    /// The vector of [`Attention::sinks`].
    pub sinks: Option<T>,
}

impl<T> Default for Around<T> {
    fn default() -> Self {
        Self { source_length: 0, biases: None, sinks: None }
    }
}

/// Attention of `heads` query heads over `kv_heads` heads of the layer's cache. Input: `q`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Which layer's cache.
    pub layer: usize,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
    /// Factor on `q · k`, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// Which positions count.
    pub mask: Mask,
    /// Scores become `cap · tanh(score / cap)` (Gemma Team 2024, § 2); 0 for none.
    pub soft_cap: f32,
    /// What attention with linear biases (Press et al. 2022) is multiplied by, 1 as a rule; 0 for none.
    pub alibi: f32,
    /// Whether positions, slopes and their products are rounded to bfloat16, as Falcon's are.
    pub alibi_bf16: bool,
    /// A learned bias on scores (Raffel et al. 2020, § 2.1); only where `soft_cap` and `alibi` are 0.
    pub bias: Option<PositionBias>,
    /// Index of the vector of sinks in the graph: `[heads]`.
    pub sinks: Option<usize>,
}

impl Attention {
    /// Whether the kernels for CPU adapters compute it, which keep the scores of a step.
    pub fn keeps_scores(&self) -> bool {
        self.head_dim.is_multiple_of(4) && self.scores_are_plain()
    }

    /// Whether scores are what `q · k · scale` gives.
    pub fn scores_are_plain(&self) -> bool {
        self.soft_cap == 0.0 && self.alibi == 0.0 && self.bias.is_none()
    }

    /// What is added to the score of the key at `position` by a query at `at`.
    fn linear_bias(&self, head: u32, position: usize, at: usize) -> f64 {
        let slope = self.slope(head);
        if !self.alibi_bf16 {
            return f64::from(self.alibi) * slope * (position as f64 - at as f64);
        }
        let rounded = |x: f64| f64::from(bf16::from_f64(x));
        let product = |position: usize| rounded(rounded(slope) * rounded(position as f64));
        f64::from(self.alibi) * (product(position) - product(at))
    }

    /// What a position's distance is multiplied by: powers of `2^(−8 / heads)`, between which every second of the next finer
    /// ones goes where the heads are no power of two (Press et al. 2022, § 3 and their code).
    fn slope(&self, head: u32) -> f64 {
        let n = f64::from(1u32 << self.heads.ilog2());
        let h = f64::from(head);
        let exponent = if h < n { -8.0 / n * (h + 1.0) } else { -4.0 / n * (2.0 * (h - n) + 1.0) };
        exponent.exp2()
    }

    /// The mask as kernels are told: positions that a row looks back, 0 for all, `ALL` for what comes after as well.
    pub(super) fn window(&self) -> u32 {
        match self.mask {
            Mask::Causal => 0,
            Mask::Window(n) => n,
            Mask::All => ALL,
        }
    }

    /// Up to which position rows of a step look.
    pub(super) fn reach_of_steps(&self) -> impl Fn(&StepShape) -> u32 + Copy + 'static {
        let all = self.mask == Mask::All;
        move |s| if all { s.source_length } else { s.kv_length }
    }

    /// Positions that a row of a step looks at, at most.
    pub(super) fn length(window: u32, s: &StepShape) -> u32 {
        match window {
            0 => s.kv_length,
            ALL => s.source_length,
            window => s.kv_length.min(window),
        }
    }

    /// CPU reference: softmax over all positions at once, in f64. `q: [rows, heads · head_dim]` → the same shape.
    pub fn reference(&self, cache: &CpuKvLayer, q: &Rows, rows: &[StepRow], around: Around<&[f32]>) -> Rows {
        let (heads, kv_heads, dim) = (self.heads as usize, self.kv_heads as usize, self.head_dim as usize);
        let mut y = Rows::zeros(q.len(), q.width);
        for (i, row) in rows.iter().enumerate() {
            let at = row.position as usize;
            let (begin, end) = match self.mask {
                Mask::Causal => (0, at + 1),
                Mask::Window(n) => ((at + 1).saturating_sub(n as usize), at + 1),
                Mask::All => (0, around.source_length as usize),
            };
            for head in 0..heads {
                let kv_head = head / (heads / kv_heads);
                let base = (row.slot as usize * kv_heads + kv_head) * cache.capacity * dim;
                let query = &q.row(i)[head * dim..(head + 1) * dim];
                let cap = f64::from(self.soft_cap);
                let score = |position: usize| {
                    let key = &cache.k[base + position * dim..][..dim];
                    let product: f64 = query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    let distance = position as f64 - at as f64;
                    let bias = self.bias.zip(around.biases).map_or(0.0, |(PositionBias { reach, .. }, biases)| {
                        let reach = f64::from(reach);
                        let of_head = head as f64 * (2.0 * reach + 1.0);
                        f64::from(biases[(of_head + distance.clamp(-reach, reach) + reach) as usize])
                    });
                    let score = product * f64::from(self.scale) + self.linear_bias(head as u32, position, at) + bias;
                    if cap == 0.0 { score } else { cap * (score / cap).tanh() }
                };
                let scores: Vec<f64> = (begin..end).map(score).collect();
                let sink = around.sinks.map_or(f64::NEG_INFINITY, |sinks| f64::from(sinks[head]));
                let maximum = scores.iter().copied().fold(sink, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - maximum).exp()).collect();
                let sum = weights.iter().sum::<f64>() + (sink - maximum).exp();
                for d in 0..dim {
                    let value = |(p, w): (usize, &f64)| w * f64::from(cache.v[base + (begin + p) * dim + d]);
                    y.row_mut(i)[head * dim + d] = (weights.iter().enumerate().map(value).sum::<f64>() / sum) as f32;
                }
            }
        }
        y
    }

    /// GPU lowering.
    pub fn lower(
        &self,
        ctx: &Lowering<'_>,
        label: &str,
        cache: &GpuKvLayer,
        around: Around<&Rc<GpuBuffer>>,
        (q, y): (&Operand, &Operand),
    ) -> Vec<DispatchSpec> {
        if let Some(scores) = ctx.scores.filter(|_| self.keeps_scores()) {
            return self.lower_rows(ctx, label, cache, around.sinks, scores, (q, y));
        }
        let head_quads = self.head_dim.div_ceil(4);
        let params = Params {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            head_quads,
            capacity: cache.capacity,
            window: self.window(),
            q_stride: q.stride,
            q_offset: q.offset,
            y_stride: y.stride,
            scale: self.scale,
            soft_cap: self.soft_cap,
            alibi: self.alibi,
            reach: self.bias.map_or(0, |bias| bias.reach),
            first_tile: 0,
            has_sinks: u32::from(around.sinks.is_some()),
            alibi_bf16: u32::from(self.alibi_bf16),
        };
        let score = match self.bias {
            Some(_) => "score/biased",
            None if self.scores_are_plain() => "score/plain",
            None => "score/adjusted",
        };
        let kernel = KernelSpec::new("attention_tile")
            .slot("KV", ctx.variants.kv.file())
            .slot("SCORE", score)
            .constant("QUADS", tile_quads(self.head_dim, ctx.variants.queries));
        let tiles = Tiles::new(self, ctx.variants.queries);
        let position_bytes = 2 * u64::from(head_quads) * 4 * ctx.variants.kv.bytes();
        let macs = 2 * u64::from(self.heads) * u64::from(self.head_dim);
        let most = StepShape { n_rows: ctx.max_rows, ..StepShape::default() };
        let (length, biases) = (self.reach_of_steps(), around.biases.filter(|_| self.bias.is_some()));
        let pieces = Pieces::new(ctx, macs, tiles.count(&most), cache);
        let lower_piece = |piece: u32| {
            let params = Params { first_tile: piece * pieces.length, ..params };
            let sinks = around.sinks.unwrap_or(ctx.nothing);
            let buffers = [ctx.step, &q.buffer, &cache.k, &cache.v, sinks, &y.buffer].into_iter().chain(biases);
            let n_tiles = move |s: &StepShape| pieces.count(piece, tiles.count(s), s.n_rows, length(s));
            let grid = Box::new(move |s: &StepShape| [tiles.kv_heads, n_tiles(s), 1]);
            let mut spec = dispatch(label, kernel.clone(), &params, buffers.map(Rc::clone).collect(), grid);
            spec.kv_bytes = Box::new(move |s| {
                let first = if n_tiles(s) == 0 { 0 } else { piece * pieces.length };
                u64::from(tiles.kv_heads) * tiles.positions(s, first..first + n_tiles(s)) * position_bytes
            });
            spec.work = Box::new(move |s| pieces.work(n_tiles(s), tiles.count(s), s.n_rows, length(s)));
            spec
        };
        (0..pieces.n).map(lower_piece).collect()
    }
}

params! {
    pub(super) struct Params {
        heads: u32,
        kv_heads: u32,
        head_dim: u32,
        head_quads: u32,
        capacity: u32,
        window: u32,
        q_stride: u32,
        q_offset: u32,
        y_stride: u32,
        scale: f32,
        soft_cap: f32,
        alibi: f32,
        reach: u32,
        first_tile: u32,
        has_sinks: u32,
        alibi_bf16: u32,
    }
}
