//! The words in which a model file speaks: each call checks shapes against the checkpoint and appends one op.

mod attention;
mod embedding;
mod experts;
mod states;
mod tensors;

use std::collections::HashMap;

pub use attention::{AttentionSpec, Buckets};

use super::{Graph, Node, Piece, RopeTable, Value, Weight};
use crate::error::{Error, Result};
use crate::format::Checkpoint;
use crate::gpu::upload::RowTake;
use crate::ops::Op;
use crate::ops::elementwise::Function;
use crate::ops::linear::Linear;
use crate::ops::norm::Norm;
use crate::ops::rms_norm::RmsNorm;
use crate::ops::rope::Rope;
use crate::quant::Format;

pub use experts::{ExpertModule, Packed, Routes};

/// A value while recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(usize);

/// Records a graph against a checkpoint's tensors.
pub struct Recorder<'a> {
    checkpoint: &'a Checkpoint,
    by_name: HashMap<&'a str, usize>,
    weights: HashMap<(usize, RowTake), usize>,
    graph: Graph,
    /// Added to every norm's weight: 1 where a checkpoint stores what it differs from 1 by.
    pub norm_weights_plus: f32,
    /// Whether linears are stored as `[in_features, out_features]` (Hugging Face's `Conv1D`).
    pub by_columns: bool,
    /// Whether what is looked up is for a text that an encoder reads.
    pub source: bool,
    /// The cache that attention over all positions goes through: each layer's keys and values are there while it runs.
    passing: Option<usize>,
}

impl<'a> Recorder<'a> {
    /// An empty graph.
    pub fn new(checkpoint: &'a Checkpoint) -> Self {
        let by_name = checkpoint.tensors.iter().enumerate().map(|(i, tensor)| (tensor.name.as_str(), i)).collect();
        let (weights, graph) = (HashMap::new(), Graph::default());
        let (norm_weights_plus, by_columns, source, passing) = (0.0, false, false, None);
        Self { checkpoint, by_name, weights, graph, norm_weights_plus, by_columns, source, passing }
    }

    /// Whether the checkpoint has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Root-mean-square norm. `x: [tokens, width]` → the same.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[width]`.
    pub fn rms_norm(&mut self, module: &str, x: Var, eps: f32) -> Result<Var> {
        let width = self.width(x);
        let weight = self.norm_weight(module, width)?;
        let outputs = self.graph.values[x.0].outputs;
        Ok(self.push(Op::RmsNorm(RmsNorm { weight, eps }), &[x], short(module), width, outputs))
    }

    /// Layer norm. `x: [tokens, width]` → the same.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` or, with `bias`, `{module}.bias` is missing or not `[width]`.
    pub fn layer_norm(&mut self, module: &str, x: Var, eps: f32, bias: bool) -> Result<Var> {
        self.norm(module, x, NormSpec { bias, ..NormSpec::layer(eps) })
    }

    /// Norm of each head. `x: [tokens, heads · head_dim]` → the same.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` or `{module}.bias` is wanted and missing, or has another shape than `spec` says.
    pub fn norm(&mut self, module: &str, x: Var, spec: NormSpec) -> Result<Var> {
        let width = self.width(x);
        let NormSpec { heads, centred, shared, weight, bias, rotary_dim, eps } = spec;
        let (len, head_dim) = (if shared { width / heads } else { width }, width / heads);
        let order = RowTake { head_dim: if rotary_dim == 0 { 0 } else { head_dim }, rotary_dim, ..RowTake::all(len) };
        let mut vector = |part: &str, wanted: bool| {
            let name = format!("{module}.{part}");
            wanted.then(|| self.weight(&name, 1, len, order, true)).transpose()
        };
        let (weight, bias) = (vector("weight", weight)?, vector("bias", bias)?);
        if let Some(weight) = weight {
            self.graph.weights[weight].plus = self.norm_weights_plus;
        }
        let outputs = self.graph.values[x.0].outputs;
        let op = Op::Norm(Norm { heads, centred, shared, weight, bias, eps });
        Ok(self.push(op, &[x], short(module), width, outputs))
    }

    /// Norm of each head by a weight of its own, `{module}.{head}.weight`: `[head_dim]`. `x: [tokens, heads · head_dim]` → the
    /// same.
    ///
    /// # Errors
    /// `bad_file` if a weight is missing or has another shape.
    pub fn norm_by_heads(&mut self, module: &str, x: Var, spec: NormSpec) -> Result<Var> {
        let NormSpec { heads, centred, eps, .. } = spec;
        let width = self.width(x);
        let rows = width / heads;
        let mut pieces = Vec::new();
        for head in 0..heads {
            let weight = self.norm_weight(&format!("{module}.{head}"), rows)?;
            pieces.push(Piece { row_offset: head * rows, ..self.graph.weights[weight].pieces[0].clone() });
        }
        let (name, format, plus) = (format!("{module}.weight"), Format::F32, self.norm_weights_plus);
        self.graph.weights.push(Weight { name, rows: 1, cols: width, format, vector: true, plus, pieces });
        let weight = Some(self.graph.weights.len() - 1);
        let op = Op::Norm(Norm { heads, centred, shared: false, weight, bias: None, eps });
        Ok(self.push(op, &[x], short(module), width, false))
    }

    /// `x · weightᵀ + bias`. `x: [tokens, in]` → `[tokens, out_features]`.
    ///
    /// # Errors
    /// `bad_file` if `{module}.weight` is missing or not `[out_features, in]`, or if `bias` and `{module}.bias` is missing.
    pub fn linear(&mut self, module: &str, x: Var, out_features: u32, bias: bool) -> Result<Var> {
        self.linear_of(module, "", x, out_features, RowTake::all(out_features), bias)
    }

    /// A linear of heads whose first `rotary_dim` values rotate as pairs that stand side by side: its rows are put into the
    /// order of [`Recorder::rope`], where the two halves pair. With 0 they stand so already.
    ///
    /// # Errors
    /// As [`Recorder::linear`].
    pub fn linear_rotated(
        &mut self,
        module: &str,
        x: Var,
        (n_heads, head_dim): (u32, u32),
        rotary_dim: u32,
        bias: bool,
    ) -> Result<Var> {
        let rows = n_heads * head_dim;
        let order = RowTake { head_dim: if rotary_dim == 0 { 0 } else { head_dim }, rotary_dim, ..RowTake::all(rows) };
        self.linear_of(module, "", x, rows, order, bias)
    }

    /// Several linears of `out_features` each, whose rows stand in one tensor: in each of `groups` groups the first's, then
    /// the second's, … The values are called `{module}.0`, `.1`, …
    ///
    /// # Errors
    /// As [`Recorder::linear`].
    pub fn linears<const N: usize>(
        &mut self,
        module: &str,
        x: Var,
        groups: u32,
        out_features: [u32; N],
        bias: bool,
    ) -> Result<[Var; N]> {
        let sum = out_features.iter().try_fold(0u32, |sum, n| sum.checked_add(*n));
        let period =
            sum.ok_or_else(|| Error::bad_file(format!("{module} has more rows than can be counted")))? / groups;
        let (mut first, mut outputs) = (0, [x; N]);
        for (i, out_features) in out_features.into_iter().enumerate() {
            let take = RowTake { first, each: out_features / groups, period, ..RowTake::default() };
            outputs[i] = self.linear_of(module, &format!(".{i}"), x, out_features, take, bias)?;
            first += take.each;
        }
        Ok(outputs)
    }

    fn linear_of(&mut self, module: &str, suffix: &str, x: Var, out: u32, take: RowTake, bias: bool) -> Result<Var> {
        if take.each == 0 {
            return Err(Error::bad_file(format!("{module} has no rows")));
        }
        let name = format!("{module}.weight");
        let by_columns = if self.by_columns { out / take.each * take.period } else { 0 };
        let weight = self.weight(&name, out, self.width(x), RowTake { by_columns, ..take }, false)?;
        let bias = bias.then(|| self.weight(&format!("{module}.bias"), 1, out, take, true)).transpose()?;
        let outputs = self.graph.values[x.0].outputs;
        let op = Op::Linear(Linear { weight, bias, ..Linear::default() });
        Ok(self.push(op, &[x], short(module) + suffix, out, outputs))
    }

    /// A vector of `len` values by its whole name, for a [`AttentionSpec`].
    ///
    /// # Errors
    /// `bad_file` if the tensor is missing or not `[len]`.
    pub fn vector(&mut self, name: &str, len: u32) -> Result<usize> {
        self.weight(name, 1, len, RowTake::all(len), true)
    }

    /// Declares a rotary table.
    ///
    /// # Errors
    /// `bad_file` if `divisors` names a tensor that is missing or not `[inv_freq.len()]`.
    pub fn rope_table(&mut self, inv_freq: Vec<f64>, attention_factor: f64, divisors: Option<&str>) -> Result<usize> {
        let divisors = match divisors {
            Some(name) => {
                let len = inv_freq.len() as u32;
                Some(self.weight(name, 1, len, RowTake::all(len), true)?)
            }
            None => None,
        };
        self.graph.rope_tables.push(RopeTable { inv_freq, divisors, attention_factor, long: None });
        Ok(self.graph.rope_tables.len() - 1)
    }

    /// Says that sequences of more than `positions` tokens take `long` in the place of `table`.
    pub fn rope_table_for_long(&mut self, table: usize, positions: u32, long: usize) {
        self.graph.rope_tables[table].long = Some((positions, long));
    }

    /// Rotary position embedding of `n_heads` heads by `table`. `x: [tokens, n_heads · head_dim]` → the same.
    pub fn rope(&mut self, x: Var, n_heads: u32, head_dim: u32, table: usize) -> Var {
        let rotary_dim = self.graph.rope_tables[table].inv_freq.len() as u32 * 2;
        let name = format!("{}.rope", self.graph.values[x.0].name);
        let width = self.width(x);
        self.push(Op::Rope(Rope { n_heads, head_dim, rotary_dim, table }), &[x], name, width, false)
    }

    /// An activation, `function(x)`.
    pub fn activation(&mut self, function: Function, x: Var) -> Var {
        self.elementwise(function, &[x], "act")
    }

    /// `(clamp(up) + 1) · gate · sigmoid(alpha · gate)`: see [`Function::ClampedSwiglu`].
    pub fn clamped_swiglu(&mut self, gate: Var, up: Var, alpha: f32, limit: f32) -> Var {
        self.elementwise(Function::ClampedSwiglu { alpha, limit }, &[gate, up], "act")
    }

    /// `x · factor`.
    pub fn scale(&mut self, x: Var, factor: f32) -> Var {
        if factor == 1.0 { x } else { self.elementwise(Function::Scale(factor), &[x], "scale") }
    }

    /// `cap · tanh(x / cap)`.
    pub fn soft_cap(&mut self, x: Var, cap: f32) -> Var {
        self.elementwise(Function::SoftCap(cap), &[x], "soft_cap")
    }

    /// `x` within `[−limit, limit]`.
    pub fn clamp(&mut self, x: Var, limit: f32) -> Var {
        self.elementwise(Function::Clamp(limit), &[x], "clamp")
    }

    /// `x · sigmoid(gate)`, with one gate for each row. `x: [tokens, width]`, `gate: [tokens, 1]` → the shape of `x`.
    pub fn row_gate(&mut self, x: Var, gate: Var) -> Var {
        self.elementwise(Function::RowGate, &[x, gate], "gated")
    }

    /// `a + b · factor`.
    pub fn add_scaled(&mut self, a: Var, b: Var, factor: f32) -> Var {
        if factor == 1.0 { self.add(a, b) } else { self.elementwise(Function::AddScaled(factor), &[a, b], "add") }
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

    /// `x · weightᵀ + bias`, with the whole names of weight and bias: `[outputs, hidden_size]` → `[outputs, vocab_size]`. A
    /// tied head takes the embedding's rows, and may have a bias of its own.
    ///
    /// # Errors
    /// As [`Recorder::linear`].
    pub fn logits(&mut self, weight: &str, bias: Option<&str>, x: Var, vocab_size: u32) -> Result<Var> {
        let all = RowTake::all(vocab_size);
        let weight = self.weight(weight, vocab_size, self.width(x), all, false)?;
        let bias = bias.map(|bias| self.weight(bias, 1, vocab_size, all, true)).transpose()?;
        let op = Op::Linear(Linear { weight, bias, ..Linear::default() });
        Ok(self.push(op, &[x], "lm_head", vocab_size, true))
    }

    /// What a text's rows come to: `[source, width]` → `[2, width]`, their mean and the first of them.
    pub fn pool(&mut self, x: Var) -> Var {
        let width = self.width(x);
        self.push(Op::Pool, &[x], "pooled".to_owned(), width, true)
    }

    /// Says that an encoder ends in `x`, whose text a decoder answers.
    pub fn encoded(&mut self, x: Var) {
        self.graph.encoded = Some(x.0);
        self.source = false;
    }

    /// Ends the graph, whose logits are `logits: [outputs, vocab_size]`, or what an encoder's text comes to.
    pub fn finish(mut self, logits: Var) -> Graph {
        if !self.graph.values[logits.0].source {
            self.graph.values[logits.0].name = "logits".to_owned();
        }
        self.graph.logits = logits.0;
        self.graph
    }

    fn elementwise(&mut self, function: Function, inputs: &[Var], suffix: &str) -> Var {
        let first = &self.graph.values[inputs[0].0];
        let (width, outputs) = (first.width, first.outputs);
        let name = format!("{}.{suffix}", self.graph.values[inputs[inputs.len() - 1].0].name);
        self.push(Op::Elementwise(function), inputs, name, width, outputs)
    }

    fn push(&mut self, op: Op, inputs: &[Var], name: impl Into<String>, width: u32, outputs: bool) -> Var {
        let source = inputs.first().map_or(self.source, |input| self.graph.values[input.0].source);
        self.graph.values.push(Value { name: name.into(), width, outputs, source, view: None, prepared: None });
        let output = self.graph.values.len() - 1;
        let inputs = inputs.iter().map(|input| input.0).collect();
        self.graph.nodes.push(Node { op, inputs, output: Some(output) });
        Var(output)
    }

    fn width(&self, x: Var) -> u32 {
        self.graph.values[x.0].width
    }
}

/// What a norm does.
#[derive(Clone, Copy, Debug)]
pub struct NormSpec {
    /// Heads that are normed each by itself; 1 for the whole row.
    pub heads: u32,
    /// Whether the mean is taken away.
    pub centred: bool,
    /// Whether heads share the weight: `[head_dim]`, and not `[heads, head_dim]`.
    pub shared: bool,
    /// Whether there is a weight.
    pub weight: bool,
    /// Whether there is a bias.
    pub bias: bool,
    /// As in [`Recorder::linear_rotated`], for what norms its output.
    pub rotary_dim: u32,
    /// Added to the variance.
    pub eps: f32,
}

impl NormSpec {
    /// Layer norm of a row, without bias.
    pub fn layer(eps: f32) -> Self {
        Self { heads: 1, centred: true, shared: true, weight: true, bias: false, rotary_dim: 0, eps }
    }

    /// Root-mean-square norm of each head, by one weight for all.
    pub fn rms_of_heads(heads: u32, eps: f32) -> Self {
        Self { heads, centred: false, ..Self::layer(eps) }
    }
}

/// `model.layers.3.mlp.up_proj` → `layers.3.mlp.up_proj`.
fn short(module: &str) -> String {
    module.strip_prefix("model.").unwrap_or(module).to_owned()
}
