//! What a model does with its tensors, by its graph: which may be quantised.

use crate::error::{Error, Result};
use crate::format::{TensorInfo, hf_config};
use crate::graph::{Graph, Kind};
use crate::models;
use crate::ops::Op;
use crate::ops::embedding::TableRow;
use crate::quantize::Role;

/// What the model of this `config.json` does with each of these tensors.
///
/// # Errors
/// As [`models::record`]: what cannot be loaded is not quantised either.
pub fn roles(config: &str, tensors: &[TensorInfo]) -> Result<Vec<Role>> {
    // No tokenizer is built of it.
    let tokenizer = Some("{}".to_owned());
    let folder = hf_config::Folder { config: config.to_owned(), tokenizer, ..hf_config::Folder::default() };
    let checkpoint = hf_config::checkpoint(&folder, tensors.to_vec())?;
    let (graph, _) = models::record(&checkpoint)?;
    let mut roles = vec![Role::Floats; tensors.len()];
    let head = head(&graph);
    let routers: Vec<usize> = graph.nodes.iter().filter_map(|node| router(&graph, &node.op, &node.inputs)).collect();
    let mut matrices = vec![false; graph.weights.len()];
    for node in &graph.nodes {
        match &node.op {
            Op::Embedding(op) if op.row == TableRow::Token => matrices[op.weight] = true,
            Op::Linear(op) if !routers.contains(&op.weight) => matrices[op.weight] = true,
            Op::ExpertLinear(op) => matrices[op.weight] = true,
            _ => {}
        }
    }
    let by_rows = |index: usize| {
        let weight = &graph.weights[index];
        matrices[index] && !weight.vector && weight.pieces.iter().all(|piece| piece.take.by_columns == 0)
    };
    let of = |index: usize| graph.weights[index].pieces.iter().map(|piece| piece.tensor);
    for index in (0..graph.weights.len()).filter(|index| by_rows(*index)) {
        of(index).for_each(|tensor| roles[tensor] = Role::Matrix);
    }
    head.into_iter().filter(|index| by_rows(*index)).flat_map(of).for_each(|tensor| roles[tensor] = Role::Head);
    // A tensor may be read in several ways.
    for index in (0..graph.weights.len()).filter(|index| !by_rows(*index)) {
        of(index).for_each(|tensor| roles[tensor] = Role::Floats);
    }
    match roles.contains(&Role::Matrix) || roles.contains(&Role::Head) {
        true => Ok(roles),
        false => Err(Error::internal("a model without matrices")),
    }
}

/// The weight of the linear that makes a value.
fn linear_of(graph: &Graph, value: usize) -> Option<usize> {
    let value = graph.owner(value).0;
    let made = graph.nodes.iter().find(|node| node.output == Some(value))?;
    match &made.op {
        Op::Linear(op) => Some(op.weight),
        _ => None,
    }
}

/// The weight that scores experts: what it decides is not undone by what comes after.
fn router(graph: &Graph, op: &Op, inputs: &[usize]) -> Option<usize> {
    matches!(op, Op::Route(_)).then(|| linear_of(graph, *inputs.first()?)).flatten()
}

/// The weight of the linear that the logits come from, whatever is done to them after it.
fn head(graph: &Graph) -> Option<usize> {
    if graph.kind() == Kind::Encoder {
        return None;
    }
    let mut value = graph.logits;
    loop {
        if let Some(weight) = linear_of(graph, value) {
            return Some(weight);
        }
        let owner = graph.owner(value).0;
        let made = graph.nodes.iter().find(|node| node.output == Some(owner))?;
        value = *made.inputs.first()?;
    }
}
