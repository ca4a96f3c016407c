//! What a graph and its load want of the choice of kernels.

use super::EngineOptions;
use crate::graph::Graph;
use crate::graph::weights::formats;
use crate::ops::elementwise::Function;
use crate::quant::Format;
use crate::tune::{Precision, Wanted};

/// What of the choice of kernels the caller decides.
pub(crate) fn wanted_kernels<'a>(formats: &'a [Format], gate: Function, options: &'a EngineOptions) -> Wanted<'a> {
    let EngineOptions { kernels, precision, variants, .. } = options;
    Wanted { kernels: *kernels, forced: variants, precision: *precision, ..Wanted::new(formats, gate) }
}

/// The formats of a graph's matrices, and the name by which the kernels for them are remembered.
pub(crate) fn tuning_key(graph: &Graph, precision: Precision) -> (Vec<Format>, String) {
    let formats = formats(graph);
    let names: Vec<_> = formats.iter().map(|format| format.spec().name).collect();
    let mut key = names.join(",");
    if precision == Precision::Fast {
        key.push_str(";fast");
    }
    (formats, key)
}
