//! Runs a graph on the CPU references, value by value: the oracle for every kernel and every fusion.

use std::collections::HashMap;
use std::rc::Rc;

use super::weights::{CpuWeights, zeros};
use super::{Adapter, Graph, Kind, adapter};
use crate::error::{Error, Result};
use crate::ops::attention::Around;
use crate::ops::kv_write::CpuKvLayer;
use crate::ops::linear::LinearWeights;
use crate::ops::{CpuMatrix, CpuState, KvFormat, Op, Rows, StepRow, pool, select_rows};

/// A model on the CPU references.
pub struct ReferenceModel {
    graph: Rc<Graph>,
    /// The graph with adapters, while there are some.
    adapted: Option<Graph>,
    weights: CpuWeights,
    caches: Vec<CpuKvLayer>,
    states: Vec<CpuState>,
    kept_states: Vec<CpuState>,
    rope_tables: Vec<Vec<[f32; 2]>>,
    bias_tables: Vec<Vec<f32>>,
    source_length: u32,
}

impl ReferenceModel {
    /// A model with room for `capacity` positions of one sequence.
    ///
    /// # Errors
    /// `out_of_memory` if the caches do not fit into the heap.
    pub fn new(graph: Graph, weights: CpuWeights, capacity: u32, kv: KvFormat) -> Result<Self> {
        let cache = |layer: &super::CacheLayer| {
            let len = u64::from(layer.kv_heads) * u64::from(capacity) * u64::from(layer.head_dim);
            let (k, v) = (zeros("a layer's cache", len)?, zeros("a layer's cache", len)?);
            Ok(CpuKvLayer { k, v, capacity: capacity as usize, format: kv })
        };
        let caches = graph.caches.iter().map(cache).collect::<Result<_>>()?;
        let state = |layer: &super::StateLayer| {
            let (positions, width) = (layer.positions as usize, layer.width as usize);
            let data = zeros("a layer's state", positions as u64 * width as u64)?;
            Ok(CpuState { data, positions, width })
        };
        let states = graph.states.iter().map(state).collect::<Result<_>>()?;
        let table = |i: usize| {
            let divisors = graph.rope_tables[i].divisors.map(|weight| weights.vector(weight));
            graph.rope_angles(i, 0..capacity, divisors)
        };
        let rope_tables = (0..graph.rope_tables.len()).map(table).collect();
        let bias_tables = graph.bias_tables.iter().map(|table| table.biases(weights.vector(table.weight))).collect();
        let kept_states = Vec::new();
        let (graph, adapted) = (Rc::new(graph), None);
        Ok(Self { graph, adapted, weights, caches, states, kept_states, rope_tables, bias_tables, source_length: 0 })
    }

    /// The graph, without adapters.
    pub fn graph(&self) -> &Rc<Graph> {
        &self.graph
    }

    /// Takes these adapters, with their scales, in the place of those that were there. What is cached is of no use then.
    pub fn use_adapters(&mut self, adapters: &[(Rc<Adapter>, f32)]) {
        self.weights.take_adapters(adapters);
        let plans: Vec<_> = adapters.iter().map(|(adapter, _)| adapter.plan()).collect();
        self.adapted = (!plans.is_empty()).then(|| adapter::adapt(&self.graph, &plans));
    }

    /// See [`Graph::kind`].
    pub fn kind(&self) -> Kind {
        self.graph.kind()
    }

    /// Runs the encoder over a text and returns every value by name. What follows answers this text.
    ///
    /// # Errors
    /// `internal` if the graph is not in order.
    pub fn read(&mut self, rows: &[StepRow]) -> Result<HashMap<String, Rows>> {
        self.source_length = rows.len() as u32;
        self.run(true, rows, 0)
    }

    /// What a text comes to: `[2, hidden_size]`.
    ///
    /// # Errors
    /// `internal` if the graph is not in order.
    pub fn pooled(&mut self, rows: &[StepRow]) -> Result<Rows> {
        let name = self.graph.values[self.graph.logits].name.clone();
        self.read(rows)?.remove(&name).ok_or_else(|| Error::internal("the graph does not pool"))
    }

    /// See [`Graph::has_states`].
    pub fn has_states(&self) -> bool {
        self.graph.has_states()
    }

    /// Copies the states.
    pub fn keep_states(&mut self) {
        self.kept_states.clone_from(&self.states);
    }

    /// Goes back to what was copied.
    pub fn restore_states(&mut self) {
        self.states.clone_from(&self.kept_states);
    }

    /// See [`Graph::long_from`].
    pub fn long_from(&self) -> Option<u32> {
        self.graph.long_from()
    }

    /// Changes from the tables of short sequences to those of long ones, or back.
    pub fn exchange_rope_tables(&mut self) {
        for (i, table) in self.graph.rope_tables.iter().enumerate() {
            if let Some((_, long)) = table.long {
                self.rope_tables.swap(i, long);
            }
        }
    }

    /// Runs one step and returns the logits of its last `n_outputs` rows.
    ///
    /// # Errors
    /// `internal` if the graph is not in order.
    pub fn step(&mut self, rows: &[StepRow], n_outputs: usize) -> Result<Rows> {
        let logits = self.graph.values[self.graph.logits].name.clone();
        let mut values = self.step_values(rows, n_outputs)?;
        values.remove(&logits).ok_or_else(|| Error::internal("the graph has no logits"))
    }

    /// Runs one step and returns every value by name.
    ///
    /// # Errors
    /// `internal` if the graph is not in order.
    pub fn step_values(&mut self, rows: &[StepRow], n_outputs: usize) -> Result<HashMap<String, Rows>> {
        self.run(false, rows, n_outputs)
    }

    /// Runs the encoder or the decoder.
    fn run(&mut self, source: bool, rows: &[StepRow], n_outputs: usize) -> Result<HashMap<String, Rows>> {
        let Self { graph, adapted, weights, caches, states, rope_tables, bias_tables, source_length, .. } = self;
        let graph = adapted.as_ref().unwrap_or(graph);
        let mut values: Vec<Option<Rows>> = vec![None; graph.values.len()];
        let vector = |weight: Option<usize>| weight.map(|weight| weights.vector(weight));
        for node in graph.nodes.iter().filter(|node| graph.is_source(node) == source) {
            let inputs =
                node.inputs.iter().map(|input| read(graph, &values, *input, n_outputs)).collect::<Result<Vec<_>>>()?;
            let result = match &node.op {
                Op::Embedding(op) => op.reference(&weights.matrix(op.weight), rows),
                Op::RmsNorm(op) => op.reference(&inputs[0], weights.vector(op.weight)),
                Op::Norm(op) => op.reference(&inputs[0], vector(op.weight), vector(op.bias)),
                Op::Linear(op) => {
                    let norm = vector(op.norm.as_ref().map(|norm| norm.weight));
                    let weight: &dyn CpuMatrix = &weights.matrix(op.weight);
                    let read = LinearWeights { weight, bias: vector(op.bias), norm };
                    op.reference(&inputs[0], read, op.residual.then(|| &inputs[1]))
                }
                Op::Route(op) => op.reference(&inputs[0]),
                Op::ExpertLinear(op) => {
                    op.reference(&inputs[0], &inputs[1], &weights.matrix(op.weight), vector(op.bias))
                }
                Op::ExpertSum(op) => {
                    let width = node.output.map_or(0, |output| graph.values[output].width as usize);
                    op.reference(&inputs[0], &inputs[1], inputs.get(2), width)
                }
                Op::Rope(op) => op.reference(&inputs[0], &rope_tables[op.table], rows),
                Op::KvWrite(op) => {
                    op.reference(&mut caches[op.layer], &inputs[0], &inputs[1], rows);
                    continue;
                }
                Op::Attention(op) => {
                    let biases = op.bias.map(|bias| bias_tables[bias.table].as_slice());
                    let around = Around { source_length: *source_length, biases, sinks: vector(op.sinks) };
                    op.reference(&caches[op.layer], &inputs[0], rows, around)
                }
                Op::RopeAttention(op) => {
                    let table = (op.rotary_dim > 0).then(|| rope_tables[op.table].as_slice());
                    let [q, k, v] = [&inputs[0], &inputs[1], &inputs[2]];
                    op.reference(&mut caches[op.attention.layer], [q, k, v], (table, vector(op.attention.sinks)), rows)
                }
                Op::ColumnScale(op) => op.reference(&inputs[0], weights.vector(op.weight)),
                Op::Elementwise(op) => op.reference(&inputs[0], inputs.last().unwrap_or(&inputs[0])),
                Op::ShortConv(op) => {
                    let read = (weights.vector(op.weight), vector(op.bias));
                    op.reference(&mut states[op.state], &inputs[0], read, rows)
                }
                Op::SelectiveScan(op) => {
                    let read = (weights.vector(op.a), weights.vector(op.d));
                    let state = &mut states[op.state];
                    op.reference(state, [&inputs[0], &inputs[1], &inputs[2]], read, rows)
                }
                Op::Wkv(op) => {
                    let read = (weights.vector(op.decay), weights.vector(op.first));
                    op.reference(&mut states[op.state], [&inputs[0], &inputs[1]], read, rows)
                }
                Op::SelectRows => select_rows::reference(&inputs[0], n_outputs),
                Op::Pool => pool::reference(&inputs[0]),
            };
            if let Some(output) = node.output {
                values[output] = Some(result);
            }
        }
        let mut named = HashMap::new();
        for i in 0..values.len() {
            if let Ok(rows) = read(graph, &values, i, n_outputs) {
                named.insert(graph.values[i].name.clone(), rows);
            }
        }
        Ok(named)
    }
}

/// A value, cut out of its owner where it is a view: some columns, or the rows whose logits are wanted.
fn read(graph: &Graph, values: &[Option<Rows>], value: usize, n_outputs: usize) -> Result<Rows> {
    let (owner, offset) = graph.owner(value);
    let rows = values[owner]
        .as_ref()
        .ok_or_else(|| Error::internal(format!("{} is read before it is made", graph.values[value].name)))?;
    if owner == value {
        return Ok(rows.clone());
    }
    let width = graph.values[value].width as usize;
    let columns = offset as usize..offset as usize + width;
    let chosen = graph.values[value].outputs && !graph.values[owner].outputs;
    let first = if chosen { rows.len() - n_outputs } else { 0 };
    let data = (first..rows.len()).flat_map(|i| rows.row(i)[columns.clone()].to_vec()).collect();
    Ok(Rows { data, width })
}
