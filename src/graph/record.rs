//! The words in which a model file speaks: each call checks shapes against the checkpoint and appends one op.

use std::collections::HashMap;

use super::{CacheLayer, Graph, Node, Piece, RopeTable, Value, Weight};
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::ops::Op;
use crate::ops::attention::{Attention, MAX_HEAD_DIM, Mask};
use crate::ops::elementwise::Function;
use crate::ops::embedding::Embedding;
use crate::ops::kv_write::KvWrite;
use crate::ops::linear::Linear;
use crate::ops::rms_norm::RmsNorm;
use crate::ops::rope::Rope;
use crate::quant::Format;

/// The longest side of a matrix, and the widest value: what grids of 65,535 workgroups (WebGPU
/// `maxComputeWorkgroupsPerDimension`) take by every kernel, with room for three matrices side by side. The largest
/// published vocabularies have a quarter of it.
const MAX_DIM: u32 = 1 << 20;
/// Most heads: attention has a workgroup for each.
const MAX_HEADS: u32 = 65_535;

/// A value while recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(usize);

/// Records a graph against a checkpoint's tensors.
pub struct Recorder<'a> {
    checkpoint: &'a Checkpoint,
    by_name: HashMap<&'a str, usize>,
    weights: HashMap<String, usize>,
    graph: Graph,
}

impl<'a> Recorder<'a> {
    /// An empty graph.
    pub fn new(checkpoint: &'a Checkpoint) -> Self {
        let by_name = checkpoint.tensors.iter().enumerate().map(|(i, tensor)| (tensor.name.as_str(), i)).collect();
        Self { checkpoint, by_name, weights: HashMap::new(), graph: Graph::default() }
    }

    /// Whether the checkpoint has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Embeddings of the step's tokens → `[tokens, hidden_size]`.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[vocab_size, hidden_size]`.
    pub fn embedding(&mut self, module: &str, vocab_size: u32, hidden_size: u32) -> Result<Var> {
        let weight = self.matrix(&format!("{module}.weight"), vocab_size, hidden_size)?;
        Ok(self.push(Op::Embedding(Embedding { weight, scale: 1.0 }), &[], short(module), hidden_size, false))
    }

    /// Root-mean-square norm. `x: [tokens, width]` → the same.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[width]`.
    pub fn rms_norm(&mut self, module: &str, x: Var, eps: f32) -> Result<Var> {
        let width = self.width(x);
        let weight = self.vector(&format!("{module}.weight"), width)?;
        let outputs = self.graph.values[x.0].outputs;
        Ok(self.push(Op::RmsNorm(RmsNorm { weight, eps }), &[x], short(module), width, outputs))
    }

    /// `x · weightᵀ + bias`. `x: [tokens, in]` → `[tokens, out_features]`.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[out_features, in]`, or if `bias` and `{module}.bias` is missing.
    pub fn linear(&mut self, module: &str, x: Var, out_features: u32, bias: bool) -> Result<Var> {
        let weight = self.matrix(&format!("{module}.weight"), out_features, self.width(x))?;
        let bias = if bias { Some(self.vector(&format!("{module}.bias"), out_features)?) } else { None };
        let outputs = self.graph.values[x.0].outputs;
        let op = Op::Linear(Linear { weight, bias, ..Linear::default() });
        Ok(self.push(op, &[x], short(module), out_features, outputs))
    }

    /// Declares a rotary table.
    ///
    /// # Errors
    /// `bad_file` if `divisors` names a tensor that is missing or not `[inv_freq.len()]`.
    pub fn rope_table(&mut self, inv_freq: Vec<f64>, attention_factor: f64, divisors: Option<&str>) -> Result<usize> {
        let divisors = match divisors {
            Some(name) => Some(self.vector(name, inv_freq.len() as u32)?),
            None => None,
        };
        self.graph.rope_tables.push(RopeTable { inv_freq, divisors, attention_factor });
        Ok(self.graph.rope_tables.len() - 1)
    }

    /// Rotary position embedding of `n_heads` heads by `table`. `x: [tokens, n_heads · head_dim]` → the same.
    pub fn rope(&mut self, x: Var, n_heads: u32, head_dim: u32, table: usize) -> Var {
        let rotary_dim = self.graph.rope_tables[table].inv_freq.len() as u32 * 2;
        let name = format!("{}.rope", self.graph.values[x.0].name);
        let width = self.width(x);
        self.push(Op::Rope(Rope { n_heads, head_dim, rotary_dim, table }), &[x], name, width, false)
    }

    /// Causal attention of `q` over this and all earlier `k`, `v` of the sequence, which go into the layer's cache.
    /// `q: [tokens, heads · head_dim]`, `k, v: [tokens, kv_heads · head_dim]` → the shape of `q`.
    ///
    /// # Errors
    /// `unsupported` for heads that no kernel takes, longer or more of them.
    pub fn attention(&mut self, name: &str, qkv: [Var; 3], spec: AttentionSpec) -> Result<Var> {
        let AttentionSpec { heads, kv_heads, head_dim, scale, mask } = spec;
        if head_dim > MAX_HEAD_DIM {
            return Err(Error::unsupported(
                format!("head_dim {head_dim}"),
                format!("attention heads of {head_dim} values are larger than the {MAX_HEAD_DIM} that doran takes"),
            ));
        }
        if heads > MAX_HEADS {
            return Err(Error::unsupported(
                format!("{heads} attention heads"),
                format!("{heads} attention heads are more than the {MAX_HEADS} that doran takes"),
            ));
        }
        let [q, k, v] = qkv;
        let layer = self.graph.caches.len();
        self.graph.caches.push(CacheLayer { kv_heads, head_dim });
        let write = Op::KvWrite(KvWrite { layer, kv_heads, head_dim });
        self.graph.nodes.push(Node { op: write, inputs: vec![k.0, v.0], output: None });
        let op = Op::Attention(Attention { layer, heads, kv_heads, head_dim, scale, mask });
        let width = self.width(q);
        Ok(self.push(op, &[q], short(name), width, false))
    }

    /// `x · sigmoid(x)`.
    pub fn silu(&mut self, x: Var) -> Var {
        self.elementwise(Function::Silu, &[x], "act")
    }

    /// `a · b`.
    pub fn mul(&mut self, a: Var, b: Var) -> Var {
        self.elementwise(Function::Mul, &[a, b], "mul")
    }

    /// `a + b`.
    pub fn add(&mut self, a: Var, b: Var) -> Var {
        self.elementwise(Function::Add, &[a, b], "add")
    }

    /// The rows of `x` whose logits are wanted: `[tokens, width]` → `[outputs, width]`.
    pub fn select_outputs(&mut self, x: Var) -> Var {
        let width = self.width(x);
        self.push(Op::SelectRows, &[x], "outputs".to_owned(), width, true)
    }

    /// Ends the graph: `x: [outputs, hidden_size]` → logits `[outputs, vocab_size]` by `{module}.weight`.
    ///
    /// # Errors
    /// As [`Recorder::linear`].
    pub fn finish(mut self, module: &str, x: Var, vocab_size: u32) -> Result<Graph> {
        let bias = self.has(&format!("{module}.bias"));
        let logits = self.linear(module, x, vocab_size, bias)?;
        self.graph.values[logits.0].name = "logits".to_owned();
        self.graph.logits = logits.0;
        Ok(self.graph)
    }

    fn elementwise(&mut self, function: Function, inputs: &[Var], suffix: &str) -> Var {
        let first = &self.graph.values[inputs[0].0];
        let (width, outputs) = (first.width, first.outputs);
        let name = format!("{}.{suffix}", self.graph.values[inputs[inputs.len() - 1].0].name);
        self.push(Op::Elementwise(function), inputs, name, width, outputs)
    }

    fn push(&mut self, op: Op, inputs: &[Var], name: impl Into<String>, width: u32, outputs: bool) -> Var {
        self.graph.values.push(Value { name: name.into(), width, outputs, view: None });
        let output = self.graph.values.len() - 1;
        let inputs = inputs.iter().map(|input| input.0).collect();
        self.graph.nodes.push(Node { op, inputs, output: Some(output) });
        Var(output)
    }

    fn width(&self, x: Var) -> u32 {
        self.graph.values[x.0].width
    }

    fn matrix(&mut self, name: &str, rows: u32, cols: u32) -> Result<usize> {
        self.weight(name, rows, cols, &[u64::from(rows), u64::from(cols)], false)
    }

    fn vector(&mut self, name: &str, len: u32) -> Result<usize> {
        self.weight(name, 1, len, &[u64::from(len)], true)
    }

    fn weight(&mut self, name: &str, rows: u32, cols: u32, shape: &[u64], vector: bool) -> Result<usize> {
        if let Some(index) = self.weights.get(name) {
            let known = &self.graph.weights[*index];
            if known.rows == rows && known.cols == cols {
                return Ok(*index);
            }
        }
        let tensor = *self
            .by_name
            .get(name)
            .ok_or_else(|| Error::bad_file(format!("the file has no tensor {name}")).with("tensor", name))?;
        let info = &self.checkpoint.tensors[tensor];
        if info.shape != shape {
            return Err(Error::bad_file(format!(
                "tensor {name} has the shape {:?}, the configuration makes it {shape:?}",
                info.shape
            ))
            .with("tensor", name));
        }
        // Repacking counts stored blocks in 32 bits (`shaders/repack.wgsl`).
        let blocks = u64::from(rows) * u64::from(cols) / info.format.block_weights();
        if rows > MAX_DIM || cols > MAX_DIM || blocks > u64::from(u32::MAX) {
            return Err(Error::unsupported(
                format!("a tensor of {rows} × {cols}"),
                format!("tensor {name} of {rows} × {cols} weights is larger than doran takes"),
            )
            .with("tensor", name));
        }
        if vector && !info.format.is_float() {
            return Err(Error::unsupported(
                format!("{name} in {}", info.format.spec().name),
                format!("the vector {name} is quantised; doran takes norm weights and biases as floats only"),
            ));
        }
        info.format.row_bytes(u64::from(cols)).map_err(|error| error.during(name))?;
        let format = if vector { Format::F32 } else { info.format };
        let pieces = vec![Piece { tensor, row_offset: 0, rows }];
        self.graph.weights.push(Weight { name: name.to_owned(), rows, cols, format, vector, pieces });
        self.weights.insert(name.to_owned(), self.graph.weights.len() - 1);
        Ok(self.graph.weights.len() - 1)
    }
}

/// Dimensions of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionSpec {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
    /// Factor on `q · k`.
    pub scale: f32,
    /// Which positions count.
    pub mask: Mask,
}

/// `model.layers.3.mlp.up_proj` → `layers.3.mlp.up_proj`.
fn short(module: &str) -> String {
    module.strip_prefix("model.").unwrap_or(module).to_owned()
}
