//! Rewrites for steps of one row, on top of `fuse.rs`: a layer becomes six dispatches. They change no weight, so that a graph
//! for one row and a graph for many share them.

use super::{Graph, Node, Value};
use crate::ops::Op;
use crate::ops::linear::{Gate, Linear};
use crate::ops::rope_attention::RopeAttention;

/// All rules for steps of one row, in order. A gate needs a matrix in one piece: `max_part_bytes` is what one holds.
pub fn fuse_one_row(graph: &mut Graph, max_part_bytes: u64) {
    take_the_only_row(graph);
    fold_norms(graph);
    fold_gates(graph, max_part_bytes);
    fuse_attention(graph);
}

/// The last rows of one are that row: what chooses them becomes a view. A step that wants no logits leaves the grids of what reads
/// it empty, as before.
pub fn take_the_only_row(graph: &mut Graph) {
    while let Some(at) = graph.nodes.iter().position(|node| node.op == Op::SelectRows) {
        let Node { inputs, output, .. } = graph.nodes.remove(at);
        if let Some(output) = output {
            graph.values[output].view = Some((inputs[0], 0));
        }
    }
}

/// A norm that only linears read goes into each of them.
pub fn fold_norms(graph: &mut Graph) {
    fold_norms_where(graph, |_| true);
}

/// The same for the rows whose logits are wanted, which kernels for CPU adapters take one by one in steps of any size: the
/// head's kernel is then the same in all of them.
pub fn fold_output_norms(graph: &mut Graph) {
    fold_norms_where(graph, |value| value.outputs);
}

fn fold_norms_where(graph: &mut Graph, takes: impl Fn(&Value) -> bool) {
    let mut at = 0;
    while at < graph.nodes.len() {
        if let (Op::RmsNorm(norm), Some(output)) = (graph.nodes[at].op.clone(), graph.nodes[at].output) {
            let input = graph.nodes[at].inputs[0];
            let readers: Vec<usize> = (at + 1..graph.nodes.len())
                .filter(|i| graph.nodes[*i].inputs.iter().any(|value| graph.owner(*value).0 == output))
                .collect();
            let folds = |i: &usize| {
                let Node { op, inputs, .. } = &graph.nodes[*i];
                matches!(op, Op::Linear(Linear { norm: None, .. }))
                    && inputs[0] == output
                    && !inputs[1..].contains(&output)
            };
            let wanted = takes(&graph.values[output]) && graph.logits != output;
            if wanted && !readers.is_empty() && readers.iter().all(folds) {
                for reader in readers {
                    if let Op::Linear(linear) = &mut graph.nodes[reader].op {
                        linear.norm = Some(norm.clone());
                    }
                    graph.nodes[reader].inputs[0] = input;
                }
                graph.nodes.remove(at);
                continue;
            }
        }
        at += 1;
    }
}

/// A value whose norm linears take is made together with what they need of it ([`Value::prepared`]), where its op can.
pub fn prepare_norms(graph: &mut Graph, max_part_bytes: u64) {
    prepare_norms_where(graph, max_part_bytes, |_| true);
}

/// The same for the rows whose logits are wanted.
pub fn prepare_output_norms(graph: &mut Graph, max_part_bytes: u64) {
    prepare_norms_where(graph, max_part_bytes, |value| value.outputs);
}

fn prepare_norms_where(graph: &mut Graph, max_part_bytes: u64, takes: impl Fn(&Value) -> bool) {
    for at in 0..graph.nodes.len() {
        let Some(output) = graph.nodes[at].output.filter(|output| takes(&graph.values[*output])) else { continue };
        let prepares = match &graph.nodes[at].op {
            Op::Embedding(_) | Op::SelectRows => true,
            Op::Linear(linear) => {
                linear.norm.is_none() && linear.gate.is_none() && in_one_piece(graph, linear.weight, max_part_bytes)
            }
            _ => false,
        };
        // As a whole: the value, or the row of it whose logits are wanted.
        let width = graph.values[output].width;
        let is_it = |value: &usize| graph.owner(*value) == (output, 0) && graph.values[*value].width == width;
        let norm_of = |node: &Node| match &node.op {
            Op::Linear(Linear { norm: Some(norm), .. }) if is_it(&node.inputs[0]) => Some(norm.weight),
            _ => None,
        };
        let mut norms = graph.nodes.iter().filter_map(norm_of);
        let first = norms.next().filter(|first| norms.all(|norm| norm == *first));
        if prepares {
            let all: Vec<usize> = (0..graph.values.len()).filter(is_it).collect();
            all.into_iter().for_each(|value| graph.values[value].prepared = first);
        }
    }
}

/// Whether a weight's matrix is in one part on the GPU.
fn in_one_piece(graph: &Graph, weight: usize, max_part_bytes: u64) -> bool {
    let weight = &graph.weights[weight];
    let (quants, scales) = weight.format.gpu_row_bytes(u64::from(weight.cols));
    u64::from(weight.rows).saturating_mul(quants.max(scales)) <= max_part_bytes
}

/// `act(gate) · up` of the two halves of one linear goes into it.
pub fn fold_gates(graph: &mut Graph, max_part_bytes: u64) {
    let mut at = 0;
    while at < graph.nodes.len() {
        if let Some((i, gate)) = gated_linear(graph, at, max_part_bytes) {
            let output = graph.nodes[at].output;
            if let Op::Linear(linear) = &mut graph.nodes[i].op {
                linear.gate = Some(gate);
            }
            graph.nodes[i].output = output;
            graph.nodes.remove(at);
            continue;
        }
        at += 1;
    }
}

/// The linear whose two halves the gate at `at` takes, and nobody else.
fn gated_linear(graph: &Graph, at: usize, max_part_bytes: u64) -> Option<(usize, Gate)> {
    let node = &graph.nodes[at];
    let function = match node.op {
        Op::Elementwise(function) if function.is_gate() => function,
        _ => return None,
    };
    let (owner, first) = graph.owner(node.inputs[0]);
    let (other, offset) = graph.owner(node.inputs[1]);
    let width = graph.values[node.inputs[0]].width;
    if owner != other || first != 0 || offset == 0 || graph.n_readers(owner) != 1 {
        return None;
    }
    let i = graph.nodes.iter().position(|n| n.output == Some(owner))?;
    let Op::Linear(Linear { weight, residual: false, gate: None, .. }) = &graph.nodes[i].op else { return None };
    in_one_piece(graph, *weight, max_part_bytes).then_some((i, Gate { function, offset, width }))
}

/// Rotary embedding, cache write and attention become one op.
pub fn fuse_attention(graph: &mut Graph) {
    let mut at = 0;
    while at < graph.nodes.len() {
        if let Some((mut removed, node)) = attention_of(graph, at) {
            graph.nodes[at] = node;
            removed.sort_unstable();
            for i in removed.into_iter().rev() {
                graph.nodes.remove(i);
                at -= 1;
            }
        }
        at += 1;
    }
}

/// The nodes that go into the attention at `at`, and the one that they become.
fn attention_of(graph: &Graph, at: usize) -> Option<(Vec<usize>, Node)> {
    let node = &graph.nodes[at];
    let Op::Attention(attention) = &node.op else { return None };
    let writes = |n: &Node| matches!(&n.op, Op::KvWrite(write) if write.layer == attention.layer);
    let write = graph.nodes[..at].iter().position(writes)?;
    let [k, v] = [graph.nodes[write].inputs[0], graph.nodes[write].inputs[1]];
    // Where q or k is rotated for the attention only: the rotation, and what is rotated.
    let rotated = |value: usize| {
        let i = graph.nodes.iter().position(|n| n.output == Some(value))?;
        match &graph.nodes[i].op {
            Op::Rope(rope) if graph.n_readers(value) == 1 => Some((i, rope.clone(), graph.nodes[i].inputs[0])),
            _ => None,
        }
    };
    let (removed, rotary_dim, table, q, k) = match (rotated(node.inputs[0]), rotated(k)) {
        (Some((i, rope, q)), Some((j, other, k)))
            if rope.table == other.table && rope.rotary_dim == other.rotary_dim =>
        {
            (vec![i, j, write], rope.rotary_dim, rope.table, q, k)
        }
        (None, None) => (vec![write], 0, 0, node.inputs[0], k),
        _ => return None,
    };
    if !RopeAttention::takes(attention, rotary_dim) {
        return None;
    }
    let op = Op::RopeAttention(RopeAttention { attention: attention.clone(), rotary_dim, table });
    Some((removed, Node { op, inputs: vec![q, k, v], output: node.output }))
}
