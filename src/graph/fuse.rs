//! Rewrites known patterns; one rule a function. Each keeps every value that somebody reads, by name, so that a fused
//! graph can be compared with the recorded one. The rules for steps of one row are in `fuse_one_row.rs`.

use super::{Graph, Node, Piece, Value, Weight};
use crate::ops::Op;
use crate::ops::elementwise::Function;
use crate::ops::expert_sum::ExpertSum;
use crate::ops::linear::Linear;
use crate::ops::row_stride;

/// All rules for steps of any size, in order.
pub fn fuse(graph: &mut Graph) {
    concatenate_linears(graph);
    gate(graph);
    add_residuals(graph);
}

/// Linears of the same input whose weights share a format become one whose rows are theirs, one after the other
/// (q, k and v; gate and up). Their outputs become views of its output, each at a multiple of 32 columns.
pub fn concatenate_linears(graph: &mut Graph) {
    let mut at = 0;
    while at < graph.nodes.len() {
        let group = linears_of_one_input(graph, at);
        if group.len() > 1 {
            merge(graph, &group);
        }
        at += 1;
    }
}

/// The run of nodes from `at` on that are mergeable linears with the input and format of the first.
fn linears_of_one_input(graph: &Graph, at: usize) -> Vec<usize> {
    let mergeable = |node: &Node| match &node.op {
        Op::Linear(linear) if !linear.residual && graph.weights[linear.weight].pieces.len() == 1 => {
            let uses = |n: &&Node| match &n.op {
                Op::Linear(other) => other.weight == linear.weight,
                Op::Embedding(other) => other.weight == linear.weight,
                _ => false,
            };
            let alone = graph.nodes.iter().filter(uses).count() == 1;
            alone.then(|| (node.inputs[0], graph.weights[linear.weight].format))
        }
        _ => None,
    };
    let Some(key) = mergeable(&graph.nodes[at]) else { return Vec::new() };
    (at..graph.nodes.len()).take_while(|i| mergeable(&graph.nodes[*i]) == Some(key)).collect()
}

fn merge(graph: &mut Graph, group: &[usize]) {
    let linears: Vec<(Linear, usize)> = group
        .iter()
        .filter_map(|i| match (&graph.nodes[*i].op, graph.nodes[*i].output) {
            (Op::Linear(linear), Some(output)) => Some((linear.clone(), output)),
            _ => None,
        })
        .collect();
    let first = &graph.weights[linears[0].0.weight];
    let (cols, format) = (first.cols, first.format);
    let Value { outputs, source, .. } = graph.values[linears[0].1];
    let has_bias = linears.iter().any(|(linear, _)| linear.bias.is_some());
    let (mut pieces, mut bias_pieces, mut names, mut rows) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let merged = graph.values.len();
    for (linear, output) in &linears {
        let weight = &graph.weights[linear.weight];
        pieces.push(Piece { row_offset: rows, ..weight.pieces[0].clone() });
        if let Some(bias) = linear.bias {
            bias_pieces.push(Piece { row_offset: rows, ..graph.weights[bias].pieces[0].clone() });
        }
        names.push(graph.values[*output].name.clone());
        graph.values[*output].view = Some((merged, rows));
        rows += row_stride(weight.rows);
    }
    let name = names.join("+");
    graph.values.push(Value { name: name.clone(), width: rows, outputs, source, view: None, prepared: None });
    let weight = Weight { name: format!("{name}.weight"), rows, cols, format, vector: false, plus: 0.0, pieces };
    graph.weights.push(weight);
    let weight = graph.weights.len() - 1;
    let bias = has_bias.then(|| {
        let format = crate::quant::Format::F32;
        let name = format!("{name}.bias");
        graph.weights.push(Weight { name, rows: 1, cols: rows, format, vector: true, plus: 0.0, pieces: bias_pieces });
        graph.weights.len() - 1
    });
    let input = graph.nodes[group[0]].inputs[0];
    let op = Op::Linear(Linear { weight, bias, ..Linear::default() });
    graph.nodes[group[0]] = Node { op, inputs: vec![input], output: Some(merged) };
    graph.nodes.drain(group[0] + 1..group[0] + group.len());
}

/// `act(gate) · up` becomes one op.
pub fn gate(graph: &mut Graph) {
    let mut at = 0;
    while at < graph.nodes.len() {
        let node = &graph.nodes[at];
        if node.op == Op::Elementwise(Function::Mul) {
            let gated = |(i, n): (usize, &Node)| match n.op {
                Op::Elementwise(act) if n.output == Some(node.inputs[0]) => Some((i, act.gated()?)),
                _ => None,
            };
            let found = graph.nodes.iter().enumerate().find_map(gated);
            if let Some((act, function)) = found.filter(|_| graph.n_readers(node.inputs[0]) == 1) {
                let inputs = vec![graph.nodes[act].inputs[0], node.inputs[1]];
                graph.nodes[at] = Node { op: Op::Elementwise(function), inputs, output: node.output };
                graph.nodes.remove(act);
                continue;
            }
        }
        at += 1;
    }
}

/// `residual + linear(x)` becomes a linear that adds, and a sum of experts likewise.
pub fn add_residuals(graph: &mut Graph) {
    let mut at = 0;
    while at < graph.nodes.len() {
        let node = graph.nodes[at].clone();
        if node.op == Op::Elementwise(Function::Add) {
            let adder_of = |value: usize| {
                let made = graph.nodes.iter().position(|n| n.output == Some(value))?;
                let op = match &graph.nodes[made].op {
                    Op::Linear(l) if !l.residual => Op::Linear(Linear { residual: true, ..l.clone() }),
                    Op::ExpertSum(s) if !s.residual => Op::ExpertSum(ExpertSum { residual: true, ..s.clone() }),
                    _ => return None,
                };
                (graph.n_readers(value) == 1).then_some((made, op))
            };
            let found = adder_of(node.inputs[1])
                .map(|found| (found, node.inputs[0]))
                .or_else(|| adder_of(node.inputs[0]).map(|found| (found, node.inputs[1])));
            if let Some(((made, op), residual)) = found {
                let mut inputs = graph.nodes[made].inputs.clone();
                inputs.push(residual);
                graph.nodes[at] = Node { op, inputs, output: node.output };
                graph.nodes.remove(made);
                continue;
            }
        }
        at += 1;
    }
}
