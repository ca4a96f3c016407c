//! Operations: one file each, with its shape rule, its CPU reference, and its GPU lowering.
//!
//! The reference is plain f32 code that takes the same parameters as the kernel: the same graph run by the references is
//! the oracle for every kernel and every fusion.

pub mod attention;
pub mod elementwise;
pub mod embedding;
pub mod expert_linear;
pub mod expert_sum;
pub mod kv_write;
pub mod linear;
pub mod norm;
pub mod pool;
pub mod rms_norm;
pub mod rope;
pub mod rope_attention;
pub mod route;
pub mod sample;
pub mod select_rows;
pub mod selective_scan;
pub mod short_conv;
mod variants;
pub mod wkv;

use std::rc::Rc;

use bytemuck::Pod;

pub use self::variants::{KvFormat, Reduce, Tile, Variants};

use crate::gpu::params::ParamsLayout;
use crate::gpu::replay::Grid;
use crate::gpu::upload::{GpuMatrix, RepackParams};
use crate::gpu::{DispatchSpec, GpuBuffer, KernelSpec, StepShape};

/// What a model can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Rows of a table by token id.
    Embedding(embedding::Embedding),
    /// Root-mean-square norm.
    RmsNorm(rms_norm::RmsNorm),
    /// Layer norm, and norm of each head.
    Norm(norm::Norm),
    /// `x · wᵀ`, with bias and residual.
    Linear(linear::Linear),
    /// The experts of each row.
    Route(route::Route),
    /// `x · wᵀ` with the weights of each row's experts.
    ExpertLinear(expert_linear::ExpertLinear),
    /// The weighted sum of what they gave.
    ExpertSum(expert_sum::ExpertSum),
    /// Rotary position embedding.
    Rope(rope::Rope),
    /// Keys and values into the cache.
    KvWrite(kv_write::KvWrite),
    /// Attention over the cache.
    Attention(attention::Attention),
    /// Rotary embedding, cache write and attention of one row.
    RopeAttention(rope_attention::RopeAttention),
    /// A causal convolution over time.
    ShortConv(short_conv::ShortConv),
    /// A selective state space.
    SelectiveScan(selective_scan::SelectiveScan),
    /// RWKV-4's average.
    Wkv(wkv::Wkv),
    /// Factors by column.
    ColumnScale(elementwise::ColumnScale),
    /// Element by element.
    Elementwise(elementwise::Function),
    /// The rows whose logits are wanted.
    SelectRows,
    /// What the rows of a text come to.
    Pool,
}

/// Activations on the CPU: `[rows, width]`, dense.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Row-major values.
    pub data: Vec<f32>,
    /// Values in a row.
    pub width: usize,
}

impl Rows {
    /// Zeros of `[rows, width]`.
    pub fn zeros(rows: usize, width: usize) -> Self {
        Self { data: vec![0.0; rows * width], width }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.width..(i + 1) * self.width]
    }

    /// Row `i`, to change.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.width..(i + 1) * self.width]
    }
}

/// One row of a step: which token, in which sequence, at which position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Token id.
    pub token: u32,
    /// Sequence.
    pub slot: u32,
    /// Position in the sequence, from 0.
    pub position: u32,
}

/// Activations on the GPU: rows of `stride` floats that start `offset` floats into the buffer.
#[derive(Clone, Debug)]
pub struct Operand {
    /// The buffer.
    pub buffer: Rc<GpuBuffer>,
    /// Floats from row to row; a multiple of 32.
    pub stride: u32,
    /// Floats before row 0's first value; a multiple of 32.
    pub offset: u32,
    /// Values in a row.
    pub width: u32,
    /// Whether the rows are the step's outputs rather than its tokens.
    pub outputs: bool,
    /// The weight of a norm that whoever makes the rows prepares: behind a row stand the row times that weight and sums of its
    /// squares ([`prepared_stride`], `shaders/lib/prepare_norm.wgsl`), for the linears that take the norm.
    pub prepared: Option<Rc<GpuBuffer>>,
}

impl Operand {
    fn rows_of(&self, shape: &StepShape) -> u32 {
        if self.outputs { shape.n_outputs } else { shape.n_rows }
    }

    fn stride_quads(&self) -> u32 {
        self.stride / 4
    }

    fn offset_quads(&self) -> u32 {
        self.offset / 4
    }

    /// For a kernel's `prepared_width`.
    fn prepared_width(&self) -> u32 {
        if self.prepared.is_some() { self.width } else { 0 }
    }
}

/// Floats from row to row of a value of this width: whole sub-blocks, so that kernels read 32 at a time.
pub fn row_stride(width: u32) -> u32 {
    width.next_multiple_of(32)
}

/// Floats from row to row of a value of this width whose norm is prepared: the row, the row times the norm's weight, and a
/// `vec4` for the squares of each 32 values.
pub fn prepared_stride(width: u32) -> u32 {
    2 * row_stride(width) + row_stride(width.div_ceil(32) * 4)
}

/// One layer's cache on the GPU: `[slots, kv_heads, capacity, head_quads]` for keys and for values.
#[derive(Clone, Debug)]
pub struct GpuKvLayer {
    /// Keys.
    pub k: Rc<GpuBuffer>,
    /// Values.
    pub v: Rc<GpuBuffer>,
    /// Positions.
    pub capacity: u32,
}

/// Positions whose states are kept. A sequence can go back by one less, and beyond that to its beginning only.
pub const STATE_POSITIONS: u32 = 8;

/// What a layer keeps of the last positions on the CPU: `[slots, positions, width]`, position `p` at `p % positions`. What is
/// before position 0 is zeros, or what an op says.
#[derive(Clone, Debug)]
pub struct CpuState {
    /// The values.
    pub data: Vec<f32>,
    /// Positions.
    pub positions: usize,
    /// Values of a position.
    pub width: usize,
}

impl CpuState {
    /// What is kept of a position.
    pub fn at(&mut self, slot: u32, position: u32) -> &mut [f32] {
        let first = (slot as usize * self.positions + position as usize % self.positions) * self.width;
        &mut self.data[first..first + self.width]
    }
}

/// The same on the GPU.
#[derive(Clone, Debug)]
pub struct GpuState {
    /// The values; each position has whole vec4s.
    pub buffer: Rc<GpuBuffer>,
    /// Positions.
    pub positions: u32,
}

/// What lowering an op needs besides its operands.
pub struct Lowering<'a> {
    /// The kernels to use.
    pub variants: Variants,
    /// The step's rows (`lib/step.wgsl`).
    pub step: &'a Rc<GpuBuffer>,
    /// Bound where a kernel has a binding that a case does not read.
    pub nothing: &'a Rc<GpuBuffer>,
    /// Room for attention scores, `[max_rows, heads, score_quads]` vec4s, where the kernels without cooperation are used.
    pub scores: Option<&'a Rc<GpuBuffer>>,
    /// Room for the partial sums of split attention ([`rope_attention::partial_bytes`]).
    pub partials: &'a Rc<GpuBuffer>,
    /// Room for rows of activations as bytes ([`linear::byte_rows_bytes`]), where [`Tile::Int8`] is used.
    pub bytes: Option<&'a Rc<GpuBuffer>>,
    /// Rows that this recording is for at most.
    pub max_rows: u32,
    /// Multiply-adds of one dispatch at most, where a step has several rows: larger ones are cut.
    pub max_work: u64,
    /// The gate of the graph's gated linears; kernels for CPU adapters have it whether they need it or not.
    pub gate: elementwise::Function,
}

impl Lowering<'_> {
    /// Whether products of many rows are those of bytes, where the weights allow it.
    fn takes_bytes(&self) -> bool {
        self.variants.matmul == Tile::Int8 && self.variants.matvec != Reduce::None && self.max_rows > 1
    }
}

/// Multiply-adds of one dispatch at most ([`Lowering::max_work`]): 50 ms of a GPU that does 20 GFLOP/s.
pub const MAX_WORK: u64 = 1 << 29;

/// A dispatch without traffic; ops add theirs.
fn dispatch<P: Pod>(
    label: &str,
    kernel: KernelSpec,
    params: &P,
    buffers: Vec<Rc<GpuBuffer>>,
    grid: Grid,
) -> DispatchSpec {
    DispatchSpec {
        label: label.to_owned(),
        kernel,
        params: bytemuck::bytes_of(params).to_vec(),
        buffers,
        grid,
        weight_bytes: Box::new(|_| 0),
        kv_bytes: Box::new(|_| 0),
        work: Box::new(|_| 0),
    }
}

/// Every kernel file under `shaders/` with the layout of the parameters that its lowering writes: a test compares them.
pub const PARAMS: &[(&str, ParamsLayout)] = &[
    ("attention_scores", attention::RowsParams::LAYOUT),
    ("attention_softmax", attention::RowsParams::LAYOUT),
    ("attention_tile", attention::Params::LAYOUT),
    ("attention_values", attention::RowsParams::LAYOUT),
    ("elementwise", elementwise::Params::LAYOUT),
    ("embedding", embedding::Params::LAYOUT),
    ("expert_linear", expert_linear::Params::LAYOUT),
    ("expert_linear_rows", expert_linear::Params::LAYOUT),
    ("expert_sum", expert_sum::Params::LAYOUT),
    ("kv_write", kv_write::Params::LAYOUT),
    ("int8_rows", linear::ByteRowsParams::LAYOUT),
    ("matmul_int8", linear::Params::LAYOUT),
    ("matmul_rows", linear::Params::LAYOUT),
    ("matmul_tile", linear::Params::LAYOUT),
    ("matvec", linear::Params::LAYOUT),
    ("matvec_batch", linear::Params::LAYOUT),
    ("matvec_rows", linear::Params::LAYOUT),
    ("matvec_rows_runs", linear::Params::LAYOUT),
    ("matvec_runs", linear::Params::LAYOUT),
    ("norm", norm::Params::LAYOUT),
    ("pool", pool::Params::LAYOUT),
    ("repack", RepackParams::LAYOUT),
    ("rms_norm", rms_norm::Params::LAYOUT),
    ("rope", rope::Params::LAYOUT),
    ("rope_attention", rope_attention::SplitParams::LAYOUT),
    ("rope_attention_combine", rope_attention::CombineParams::LAYOUT),
    ("rope_attention_rows", rope_attention::SplitParams::LAYOUT),
    ("route", route::Params::LAYOUT),
    ("sample_best", sample::BestParams::LAYOUT),
    ("sample_filtered", sample::LogitParams::LAYOUT),
    ("sample_slices", sample::LogitParams::LAYOUT),
    ("select_rows", select_rows::Params::LAYOUT),
    ("selective_scan", selective_scan::Params::LAYOUT),
    ("short_conv", short_conv::Params::LAYOUT),
    ("wkv", wkv::Params::LAYOUT),
];

/// Weights of the CPU references, read a row at a time.
pub trait CpuMatrix {
    /// `[rows, cols]`.
    fn shape(&self) -> (usize, usize);
    /// Row `row` in f32, in Hugging Face's row order. `out: [cols]`.
    fn row(&self, row: usize, out: &mut [f32]);
}

/// Re-exported for lowerings.
pub use crate::gpu::upload::MatrixPart;

/// A matrix that a lowering reads.
pub type Matrix = GpuMatrix;
