//! What a model asks for becomes a list of dispatches: record → fuse → memory → lower.
//!
//! A [`Graph`] is recorded once by a model file, in the model's words; `fuse` rewrites known patterns; `memory` assigns
//! buffers; `lower` picks kernels. The same graph runs on the CPU references (`reference.rs`), value by value, by name.

pub mod adapter;
pub mod adapter_weights;
pub mod bias;
pub mod fuse;
pub mod fuse_one_row;
pub mod lower;
pub mod memory;
pub mod record;
pub mod reference;
pub mod room;
pub mod weights;

pub use adapter_weights::Adapter;
pub use bias::BiasTable;

use crate::gpu::upload::RowTake;
use crate::ops::elementwise::Function;
use crate::ops::{Op, prepared_stride, row_stride};
use crate::quant::Format;

/// A value between two ops: `[rows, width]`, rows known at each step only.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Name in the model's words, e.g. `layers.3.self_attn.q_proj`.
    pub name: String,
    /// Values in a row.
    pub width: u32,
    /// Whether its rows are the step's outputs rather than its tokens.
    pub outputs: bool,
    /// Whether its rows are those of a text that an encoder reads, rather than of one that a decoder goes on with.
    pub source: bool,
    /// If it is a range of columns of another value: which, and from which column.
    pub view: Option<(usize, u32)>,
    /// The weight of a norm that whoever makes it prepares for the linears that take the norm ([`Operand::prepared`]).
    ///
    /// [`Operand::prepared`]: crate::ops::Operand::prepared
    pub prepared: Option<usize>,
}

impl Value {
    /// Floats from row to row.
    pub fn stride(&self) -> u32 {
        if self.prepared.is_some() { prepared_stride(self.width) } else { row_stride(self.width) }
    }
}

/// An op with its inputs and output, by index.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// Values read.
    pub inputs: Vec<usize>,
    /// Value made; none for cache writes.
    pub output: Option<usize>,
}

/// A tensor of the checkpoint as part of a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Index among the checkpoint's tensors.
    pub tensor: usize,
    /// Row of the weight where the tensor's row 0 stands.
    pub row_offset: u32,
    /// Rows that it gives.
    pub rows: u32,
    /// Which rows of the tensor, and in which order.
    pub take: RowTake,
    /// Of a tensor that is a stack of matrices (`[matrices, rows, cols]`) or of vectors: which of them, of how many. Rows are
    /// counted from its first.
    pub of_stack: (u32, u32),
}

impl Piece {
    /// The stored elements (quantised: blocks) of a tensor of `n` that the piece is of.
    pub fn elements(&self, n: u64) -> std::ops::Range<u64> {
        let (index, count) = self.of_stack;
        let each = n / u64::from(count);
        u64::from(index) * each..(u64::from(index) + 1) * each
    }
}

/// A weight that an op reads: one tensor, or several with their rows one after the other. Two that give the same rows have a
/// part of each weight: codes, and scales.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Name, e.g. `model.layers.3.self_attn.q_proj.weight`.
    pub name: String,
    /// Rows, with padding between pieces; 1 for a vector.
    pub rows: u32,
    /// Weights in a row.
    pub cols: u32,
    /// How kernels read it; vectors are kept in f32.
    pub format: Format,
    /// Whether it is a vector (norm weight, bias): unpacked to f32, of `cols` values.
    pub vector: bool,
    /// Added to every value of a vector.
    pub plus: f32,
    /// What it is made of.
    pub pieces: Vec<Piece>,
}

/// Rotary angles: `inv_freq[i]` radians a position for pair `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeTable {
    /// Radians per position; `[rotary_dim / 2]`.
    pub inv_freq: Vec<f64>,
    /// Index of a weight vector whose values divide the frequencies, if the checkpoint brings one.
    pub divisors: Option<usize>,
    /// Factor on cos and sin.
    pub attention_factor: f64,
    /// Sequences of more tokens than the first take the table of the second index in its place.
    pub long: Option<(u32, usize)>,
}

impl RopeTable {
    /// These positions: (cos, sin) a pair. `divisors` as [`RopeTable::divisors`] names them.
    pub fn angles(&self, positions: std::ops::Range<u32>, divisors: Option<&[f32]>) -> Vec<[f32; 2]> {
        let mut angles = Vec::with_capacity(positions.len() * self.inv_freq.len());
        for position in positions {
            for (i, inv_freq) in self.inv_freq.iter().enumerate() {
                let divisor = divisors.and_then(|d| d.get(i)).map_or(1.0, |d| f64::from(*d));
                let (sin, cos) = (f64::from(position) * inv_freq / divisor).sin_cos();
                angles.push([(cos * self.attention_factor) as f32, (sin * self.attention_factor) as f32]);
            }
        }
        angles
    }
}

/// What a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes on with a text.
    Decoder,
    /// It reads a text, which comes to two rows ([`Op::Pool`]).
    Encoder,
    /// One half reads a text, the other answers.
    EncoderDecoder,
}

/// One layer's need of cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLayer {
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
}

/// One layer's need of state, which goes from position to position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLayer {
    /// Values of a position.
    pub width: u32,
    /// Positions that are kept.
    pub positions: u32,
}

/// A recorded model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// All values; the index is the identity.
    pub values: Vec<Value>,
    /// Ops in order.
    pub nodes: Vec<Node>,
    /// All weights.
    pub weights: Vec<Weight>,
    /// Rotary tables.
    pub rope_tables: Vec<RopeTable>,
    /// Biases by distance.
    pub bias_tables: Vec<BiasTable>,
    /// Caches by layer.
    pub caches: Vec<CacheLayer>,
    /// States by layer.
    pub states: Vec<StateLayer>,
    /// The value that holds the logits, `[outputs, vocab_size]`; of an encoder, what its text comes to, `[2, hidden_size]`.
    pub logits: usize,
    /// Where a decoder follows an encoder: the value that the encoder ends in, `[source, hidden_size]`.
    pub encoded: Option<usize>,
}

impl Graph {
    /// What the model is.
    pub fn kind(&self) -> Kind {
        match self.encoded {
            Some(_) => Kind::EncoderDecoder,
            None if self.values[self.logits].source => Kind::Encoder,
            None => Kind::Decoder,
        }
    }

    /// Whether a node belongs to an encoder.
    pub fn is_source(&self, node: &Node) -> bool {
        let value = node.output.or(node.inputs.first().copied());
        value.is_some_and(|value| self.values[value].source)
    }

    /// The encoder alone, or the decoder; weights, tables and caches are those of both.
    #[must_use]
    pub fn part(&self, source: bool) -> Self {
        let nodes = self.nodes.iter().filter(|node| self.is_source(node) == source).cloned().collect();
        let logits = self.encoded.filter(|_| source).unwrap_or(self.logits);
        Self { nodes, logits, encoded: None, ..self.clone() }
    }

    /// The value that owns the memory of `value`, and the column where `value` starts in it.
    pub fn owner(&self, value: usize) -> (usize, u32) {
        let (mut value, mut offset) = (value, 0);
        while let Some((parent, column)) = self.values[value].view {
            value = parent;
            offset += column;
        }
        (value, offset)
    }

    /// The first function of its gates, which is mostly the only one.
    pub fn gate_function(&self) -> Function {
        let gate = |node: &Node| match &node.op {
            Op::Elementwise(function) if function.is_gate() => Some(*function),
            Op::Linear(linear) => linear.gate.map(|gate| gate.function),
            _ => None,
        };
        self.nodes.iter().find_map(gate).unwrap_or(Function::SiluMul)
    }

    /// How many nodes read `value`, itself or through views of it.
    pub fn n_readers(&self, value: usize) -> usize {
        let reads = |node: &&Node| node.inputs.iter().any(|input| self.owner(*input).0 == self.owner(value).0);
        self.nodes.iter().filter(reads).count() + usize::from(self.owner(self.logits).0 == self.owner(value).0)
    }

    /// These positions of a rotary table: (cos, sin) a pair. `divisors` as [`RopeTable::divisors`] names them.
    pub fn rope_angles(
        &self,
        table: usize,
        positions: std::ops::Range<u32>,
        divisors: Option<&[f32]>,
    ) -> Vec<[f32; 2]> {
        self.rope_tables[table].angles(positions, divisors)
    }

    /// Whether there is something that cannot be cut back as keys and values can (see [`crate::ops::STATE_POSITIONS`]).
    pub fn has_states(&self) -> bool {
        !self.states.is_empty()
    }

    /// Sequences of more tokens than this take other rotary tables.
    pub fn long_from(&self) -> Option<u32> {
        self.rope_tables.iter().find_map(|table| Some(table.long?.0))
    }
}
