//! LoRA adapters on a graph (Hu et al. 2021, § 4.1): where a linear has an adapter, `y = W x + s · B (A x)`.
//!
//! An adapter is planned once, against the graph whose weights are stored: fused already, so that the matrices of q, k and v may be
//! one. Of such a matrix the modules' A stand one under the other, and their B, each in columns of its own, at the rows of their
//! pieces. [`adapt`] then rewrites the graph for a set of adapters, and changes no stored weight. What is multiplied by `s` is the
//! row of `A x`, by a vector that a request writes ([`ColumnScale`]).

use std::collections::BTreeMap;

use super::{Graph, Node, Value, Weight};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adapter::{AdapterCheckpoint, AdapterModule};
use crate::format::{RowMap, TensorInfo};
use crate::gpu::upload::RowTake;
use crate::ops::elementwise::ColumnScale;
use crate::ops::linear::Linear;
use crate::ops::{Op, row_stride};
use crate::quant::Format;

/// What an adapter is checked against.
#[derive(Clone, Debug)]
pub struct Adaptable<'a> {
    /// The graph whose weights are stored.
    pub graph: &'a Graph,
    /// The model's tensors, by the indices of the graph's pieces.
    pub tensors: &'a [TensorInfo],
    /// Hugging Face's `model_type`.
    pub model_type: &'a str,
    /// Whether the model came as GGUF.
    pub gguf: bool,
}

/// An adapter's part in each linear that it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterPlan {
    /// The linears.
    pub sites: Vec<Site>,
    /// A and B of each site.
    pub matrices: Vec<AdapterMatrix>,
    /// What the rows of A are scaled with, but for a request's own scale; each site's at a multiple of 32.
    pub factors: Vec<f32>,
}

/// A linear that an adapter changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its weight in the graph.
    weight: usize,
    /// A in the plan's matrices: `[rank, in_features]`. B is the next: `[out_features, rank]`.
    a: usize,
    rank: u32,
    /// Where its factors begin.
    first: u32,
}

/// A matrix made of an adapter's tensors, and of zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterMatrix {
    /// Name for labels.
    pub name: String,
    /// Rows.
    pub rows: u32,
    /// Weights in a row.
    pub cols: u32,
    /// How it is kept: as its tensors are if these are floats of one kind, otherwise in f32.
    pub format: Format,
    /// What it is made of.
    pub blocks: Vec<Block>,
}

/// A tensor of the adapter in a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Index among the adapter's tensors.
    pub tensor: usize,
    /// Row of the matrix where row 0 stands.
    pub row_offset: u32,
    /// Rows that it gives.
    pub rows: u32,
    /// Which of its rows, and in which order.
    pub take: RowTake,
    /// Column of the matrix where column 0 stands.
    pub col: u32,
}

/// Models whose GGUF files have the rows of fused tensors in another order than Hugging Face's.
const REORDERED: &[&str] = &["bloom", "falcon", "gpt_neox"];

/// Plans an adapter.
///
/// # Errors
/// `lora_mismatch` (data: `tensor`) for a tensor that the model has not, or of another shape; `unsupported` (data: `what`) for one
/// that is no plain linear's; `bad_file` for two modules that are one.
pub fn plan(model: &Adaptable<'_>, adapter: &AdapterCheckpoint) -> Result<AdapterPlan> {
    for (module, shape) in &adapter.repeated {
        let tensor = &model.tensors[tensor_of(model, module)?];
        if tensor.shape != *shape {
            return Err(mismatch(module, &format!("is {shape:?} in the adapter and {:?} in the model", tensor.shape)));
        }
    }
    // Which module changes which tensor.
    let mut modules: BTreeMap<usize, &AdapterModule> = BTreeMap::new();
    for module in &adapter.modules {
        let tensor = tensor_of(model, &module.name)?;
        if let Some(other) = modules.insert(tensor, module) {
            let message = format!("the adapter's modules {:?} and {:?} are one", other.name, module.name);
            return Err(Error::bad_file(message).with("tensor", module.name.as_str()));
        }
    }
    let mut plan = AdapterPlan::default();
    let mut reached: Vec<usize> = Vec::new();
    for (index, weight) in model.graph.weights.iter().enumerate() {
        if !is_linear(model.graph, index) {
            continue;
        }
        let here: Vec<(usize, &AdapterModule)> = modules
            .iter()
            .filter(|(t, _)| weight.pieces.iter().any(|piece| piece.tensor == **t))
            .map(|(t, m)| (*t, *m))
            .collect();
        if here.is_empty() {
            continue;
        }
        reached.extend(here.iter().map(|(tensor, _)| *tensor));
        plan.add(model, adapter, (index, weight), &here)?;
    }
    match modules.iter().find(|(tensor, _)| !reached.contains(tensor)) {
        Some((_, module)) => {
            let what = format!("LoRA of {}", module.name);
            let message = format!("the adapter changes {:?}, which is no plain linear of this model", module.name);
            Err(Error::unsupported(what, message).with("tensor", module.name.as_str()))
        }
        None => Ok(plan),
    }
}

impl AdapterPlan {
    /// The part in one linear, whose weight is made of the tensors of some modules, among others.
    fn add(
        &mut self,
        model: &Adaptable<'_>,
        adapter: &AdapterCheckpoint,
        (index, weight): (usize, &Weight),
        modules: &[(usize, &AdapterModule)],
    ) -> Result<()> {
        let first = self.factors.len() as u32;
        let (mut a_blocks, mut b_blocks, mut rank) = (Vec::new(), Vec::new(), 0);
        for (tensor, module) in modules {
            let [a, b] = [&adapter.tensors[module.a], &adapter.tensors[module.b]];
            let base = &model.tensors[*tensor];
            let pieces = || weight.pieces.iter().filter(|piece| piece.tensor == *tensor);
            let by_columns = pieces().any(|piece| piece.take.by_columns > 0);
            let (out_features, in_features) = match *base.shape.as_slice() {
                [n] => (1, n),
                [rows, cols] if by_columns => (cols, rows),
                [rows, cols] => (rows, cols),
                _ => return Err(mismatch(&module.name, "is no matrix in the model")),
            };
            if a.shape[1] != in_features || b.shape[0] != out_features {
                let shapes = format!("A is {:?} and B is {:?}", a.shape, b.shape);
                let what = format!("is [{out_features}, {in_features}] in the model, but {shapes} in the adapter");
                return Err(mismatch(&module.name, &what));
            }
            a_blocks.push(Block {
                tensor: module.a,
                row_offset: rank,
                rows: module.rank,
                take: RowTake::all(module.rank),
                col: 0,
            });
            for piece in pieces() {
                if model.gguf != adapter.gguf
                    && REORDERED.contains(&model.model_type)
                    && piece.take.each != piece.take.period
                {
                    let formats = ["safetensors", "GGUF"].map(str::to_owned);
                    let [own, other] = [adapter.gguf, model.gguf].map(|gguf| formats[usize::from(gguf)].as_str());
                    let message = format!(
                        "{other} files of {} have the rows of {:?} in another order",
                        model.model_type, module.name
                    );
                    return Err(Error::unsupported(format!("an adapter in {own} for a model in {other}"), message));
                }
                let take = take_of(piece.take, base.row_map, b.row_map);
                b_blocks.push(Block {
                    tensor: module.b,
                    row_offset: piece.row_offset,
                    rows: piece.rows,
                    take,
                    col: rank,
                });
            }
            self.factors.extend(std::iter::repeat_n(module.scaling, module.rank as usize));
            rank += module.rank;
        }
        self.factors.resize((first + row_stride(rank)) as usize, 0.0);
        let format_of = |blocks: &[Block]| {
            let format = adapter.tensors[blocks[0].tensor].format;
            let same = blocks.iter().all(|block| adapter.tensors[block.tensor].format == format);
            if same && format.is_float() { format } else { Format::F32 }
        };
        let (a_format, b_format) = (format_of(&a_blocks), format_of(&b_blocks));
        let name = |part: &str| format!("{}.{part}", weight.name.trim_end_matches(".weight"));
        let a = self.matrices.len();
        let (rows, cols) = (weight.rows, weight.cols);
        self.matrices.push(AdapterMatrix {
            name: name("lora_a"),
            rows: rank,
            cols,
            format: a_format,
            blocks: a_blocks,
        });
        self.matrices.push(AdapterMatrix {
            name: name("lora_b"),
            rows,
            cols: rank,
            format: b_format,
            blocks: b_blocks,
        });
        self.sites.push(Site { weight: index, a, rank, first });
        Ok(())
    }

    /// The weights that it brings to a graph, in order: its matrices, and the vector of its factors.
    fn weights(&self) -> impl Iterator<Item = Weight> {
        let factors = Weight {
            name: "lora.factors".to_owned(),
            rows: 1,
            cols: self.factors.len() as u32,
            format: Format::F32,
            vector: true,
            plus: 0.0,
            pieces: Vec::new(),
        };
        let matrix = |matrix: &AdapterMatrix| Weight {
            name: matrix.name.clone(),
            rows: matrix.rows,
            cols: matrix.cols,
            format: matrix.format,
            vector: false,
            plus: 0.0,
            pieces: Vec::new(),
        };
        self.matrices.iter().map(matrix).chain(std::iter::once(factors))
    }
}

/// The graph with the adapters in it, whose weights come after the graph's own.
#[must_use]
pub fn adapt(graph: &Graph, adapters: &[&AdapterPlan]) -> Graph {
    let mut adapted = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph.clone() };
    let mut starts = Vec::with_capacity(adapters.len());
    for adapter in adapters {
        starts.push(adapted.weights.len());
        adapted.weights.extend(adapter.weights());
    }
    for node in &graph.nodes {
        let (Op::Linear(linear), Some(y)) = (&node.op, node.output) else {
            adapted.nodes.push(node.clone());
            continue;
        };
        let site = |(adapter, start): (&&AdapterPlan, &usize)| {
            let site = adapter.sites.iter().find(|site| site.weight == linear.weight)?.clone();
            Some((site, *start, start + adapter.matrices.len()))
        };
        let sites: Vec<(Site, usize, usize)> = adapters.iter().zip(&starts).filter_map(site).collect();
        let Value { name, width, outputs, source, .. } = graph.values[y].clone();
        let mut value = |suffix: String, width: u32| {
            let name = format!("{name}.{suffix}");
            adapted.values.push(Value { name, width, outputs, source, view: None, prepared: None });
            adapted.values.len() - 1
        };
        let mut sum = if sites.is_empty() { y } else { value("base".to_owned(), width) };
        adapted.nodes.push(Node { output: Some(sum), ..node.clone() });
        for (i, (site, start, factors)) in sites.iter().enumerate() {
            let x = node.inputs[0];
            let low = value(format!("lora.{i}"), site.rank);
            let scaled = value(format!("lora.{i}.scaled"), site.rank);
            let next = if i + 1 == sites.len() { y } else { value(format!("lora.{i}.sum"), width) };
            let a = Linear { weight: start + site.a, ..Linear::default() };
            let b = Linear { weight: start + site.a + 1, residual: true, ..Linear::default() };
            let scale = ColumnScale { weight: *factors, first: site.first };
            let node = |op, inputs, output| Node { op, inputs, output: Some(output) };
            adapted.nodes.extend([
                node(Op::Linear(a), vec![x], low),
                node(Op::ColumnScale(scale), vec![low], scaled),
                node(Op::Linear(b), vec![scaled, sum], next),
            ]);
            sum = next;
        }
    }
    adapted
}

/// Which of B's rows a piece of the model's matrix takes: those that it takes of the model's tensor, which may be in another
/// file's order.
fn take_of(take: RowTake, base: RowMap, own: RowMap) -> RowTake {
    let mut take = RowTake { by_columns: 0, ..take };
    if matches!(base, RowMap::RopeInterleaved { .. }) {
        (take.head_dim, take.rotary_dim) = (0, 0);
    }
    match own {
        RowMap::RopeInterleaved { head_dim } if take.head_dim == 0 => {
            RowTake { head_dim, rotary_dim: head_dim, ..take }
        }
        _ => take,
    }
}

/// The model's tensor of a module. Files of bare models leave the first word of names away.
fn tensor_of(model: &Adaptable<'_>, module: &str) -> Result<usize> {
    let name = format!("{module}.weight");
    let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('.'));
    let exact = model.tensors.iter().position(|tensor| tensor.name == name);
    let mut near = model.tensors.iter().enumerate().filter(|(_, t)| ends(&t.name, &name) || ends(&name, &t.name));
    let found = exact.or_else(|| match (near.next(), near.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    });
    match found {
        Some(tensor) if reads_embedding(model.graph, tensor) => {
            let message = format!("the adapter changes {module:?}, which is an embedding");
            Err(Error::unsupported("LoRA of an embedding", message).with("tensor", module))
        }
        Some(tensor) => Ok(tensor),
        None if module == "lm_head" => tied_head(model.graph).ok_or_else(|| mismatch(module, "is not in the model")),
        None => Err(mismatch(module, "is not in the model")),
    }
}

/// The tensor that the head shares with the embedding: that of the linear which the logits come of.
fn tied_head(graph: &Graph) -> Option<usize> {
    let mut value = graph.logits;
    loop {
        let node = graph.nodes.iter().find(|node| node.output == Some(value))?;
        match &node.op {
            Op::Linear(linear) => return graph.weights[linear.weight].pieces.first().map(|piece| piece.tensor),
            Op::Elementwise(_) => value = *node.inputs.first()?,
            _ => return None,
        }
    }
}

fn reads_embedding(graph: &Graph, tensor: usize) -> bool {
    let made_of = |weight: usize| graph.weights[weight].pieces.iter().any(|piece| piece.tensor == tensor);
    graph.nodes.iter().any(|node| matches!(&node.op, Op::Embedding(embedding) if made_of(embedding.weight)))
}

/// Whether linears read a weight.
fn is_linear(graph: &Graph, weight: usize) -> bool {
    graph.nodes.iter().any(|node| matches!(&node.op, Op::Linear(linear) if linear.weight == weight))
}

fn mismatch(module: &str, what: &str) -> Error {
    Error::new(ErrorKind::LoraMismatch, format!("the adapter is for another model: {module:?} {what}"))
        .with("tensor", module)
}
