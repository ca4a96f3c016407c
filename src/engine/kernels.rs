//! What a graph and its load want of the choice of kernels.

use super::EngineOptions;
use crate::gpu::pipeline::KernelSpec;
use crate::graph::Graph;
use crate::graph::weights::formats;
use crate::ops::Op;
use crate::quant::Format;
use crate::tune::{Precision, Wanted};

/// What of the choice of kernels the caller decides.
pub(crate) fn wanted_kernels<'a>(formats: &'a [Format], graph: &Graph, options: &'a EngineOptions) -> Wanted<'a> {
    let EngineOptions { kernels, precision, variants, .. } = options;
    let wanted = Wanted::new(formats, graph.gate_function());
    let heads = graph.nodes.iter().find_map(|node| match &node.op {
        Op::Attention(attention) => Some((attention.heads, attention.kv_heads)),
        Op::RopeAttention(op) => Some((op.attention.heads, op.attention.kv_heads)),
        _ => None,
    });
    let group = heads.and_then(|(heads, kv_heads)| heads.checked_div(kv_heads)).unwrap_or(wanted.group);
    Wanted { kernels: *kernels, forced: variants, precision: *precision, group, ..wanted }
}

/// The formats of a graph's matrices, and the name by which the kernels for them are remembered.
pub(crate) fn tuning_key(graph: &Graph, precision: Precision) -> (Vec<Format>, String) {
    let formats = formats(graph);
    // What is known of a matrix that takes the rows of outputs alone says nothing of kernels for many rows.
    let takes_many = |format: Format| {
        graph.nodes.iter().any(|node| match &node.op {
            Op::Linear(op) => graph.weights[op.weight].format == format && !graph.values[node.inputs[0]].outputs,
            _ => false,
        })
    };
    let name =
        |format: &Format| format!("{}{}", format.spec().name, if takes_many(*format) { "" } else { " (one row)" });
    let names: Vec<_> = formats.iter().map(name).collect();
    let mut key = names.join(",");
    // On CPU adapters the roles that a model has no ops for are not looked at.
    let has = |is: fn(&Op) -> bool| graph.nodes.iter().any(|node| is(&node.op));
    for (name, is_there) in [
        ("norm", has(|op| matches!(op, Op::RmsNorm(_)))),
        ("rope attention", has(|op| matches!(op, Op::RopeAttention(_)))),
        ("attention", has(|op| matches!(op, Op::Attention(_)))),
    ] {
        if is_there {
            key.extend([";", name]);
        }
    }
    if precision == Precision::Fast {
        key.push_str(";fast");
    }
    (formats, key)
}

/// Each kernel once, in the order in which they first come.
#[inline(never)] // See src/tokenizer/vocabulary.rs.
pub(crate) fn each_once(all: impl Iterator<Item = KernelSpec>) -> Vec<KernelSpec> {
    let mut kernels = Vec::new();
    for kernel in all {
        if !kernels.contains(&kernel) {
            kernels.push(kernel);
        }
    }
    kernels
}
