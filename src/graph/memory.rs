//! Assigns buffers to values: two values share one if they never live at the same time. A dispatch never reads and writes
//! the same buffer, because an output takes its buffer before the inputs that end there give theirs back.

use super::Graph;

/// Where the values live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Buffer of each value that owns memory; views have their owner's.
    pub buffer_of: Vec<Option<usize>>,
    /// Floats in a row of each buffer, and whether its rows are outputs.
    pub buffers: Vec<(u32, bool)>,
}

/// Plans a graph. With `keep_all` every value keeps its own buffer, so that all can be read after a step.
pub fn plan(graph: &Graph, keep_all: bool) -> Plan {
    let mut last_use = vec![0; graph.values.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            last_use[graph.owner(*input).0] = at;
        }
    }
    last_use[graph.owner(graph.logits).0] = usize::MAX;
    let mut plan = Plan { buffer_of: vec![None; graph.values.len()], buffers: Vec::new() };
    let mut free: Vec<usize> = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if let Some(output) = node.output {
            let value = &graph.values[output];
            let need = (value.stride(), value.outputs);
            let fits = |buffer: &usize| plan.buffers[*buffer] == need;
            let reused = if keep_all { None } else { free.iter().position(fits) };
            let buffer = match reused {
                Some(i) => free.swap_remove(i),
                None => {
                    plan.buffers.push(need);
                    plan.buffers.len() - 1
                }
            };
            plan.buffer_of[output] = Some(buffer);
        }
        for input in &node.inputs {
            let owner = graph.owner(*input).0;
            if last_use[owner] == at
                && let Some(buffer) = plan.buffer_of[owner]
                && !free.contains(&buffer)
            {
                free.push(buffer);
            }
        }
    }
    plan
}
