//! A graph's weights for the references: as a file has them, in the heap.

use std::rc::Rc;

use super::{Vectors, check_finite, is_vector, overlap, zeros};
use crate::error::Result;
use crate::format::{Checkpoint, TensorInfo};
use crate::graph::{Adapter, Graph, Piece, Weight};
use crate::ops::CpuMatrix;
use crate::weights::{Bytes, Sink};

/// A graph's weights on the CPU, as stored; rows are unpacked when they are read.
pub struct CpuWeights {
    weights: Vec<Weight>,
    tensors: Vec<(TensorInfo, Vec<u8>)>,
    vectors: Vectors,
    /// How many weights and tensors are the model's own.
    own: (usize, usize),
}

impl CpuWeights {
    /// Room for the checkpoint's tensors.
    ///
    /// # Errors
    /// `out_of_memory` if they do not fit into the heap.
    pub fn new(graph: &Graph, checkpoint: &Checkpoint) -> Result<Self> {
        let room = |tensor: &TensorInfo| Ok((tensor.clone(), zeros(&tensor.name, tensor.n_bytes)?));
        Ok(Self {
            weights: graph.weights.clone(),
            tensors: checkpoint.tensors.iter().map(room).collect::<Result<_>>()?,
            vectors: Vectors::new(graph),
            own: (graph.weights.len(), checkpoint.tensors.len()),
        })
    }

    /// Puts the weights of these adapters, with their scales, behind the model's own, in the order of [`crate::graph::adapter::adapt`].
    pub fn take_adapters(&mut self, adapters: &[(Rc<Adapter>, f32)]) {
        self.weights.truncate(self.own.0);
        self.vectors.values.truncate(self.own.0);
        self.tensors.truncate(self.own.1);
        for (adapter, scale) in adapters {
            for (weight, info, bytes) in adapter.on_cpu(self.tensors.len()) {
                self.weights.push(weight);
                self.tensors.push((info, bytes));
                self.vectors.values.push(Vec::new());
            }
            let factors = adapter.factors(*scale);
            // The vector's place; what it is made of nobody asks.
            self.weights.extend(self.weights.last().cloned());
            self.vectors.values.push(factors);
        }
    }

    /// Vector `weight`: `[cols]`.
    pub fn vector(&self, weight: usize) -> &[f32] {
        &self.vectors.values[weight]
    }

    /// Matrix `weight`.
    pub fn matrix(&self, weight: usize) -> CpuWeight<'_> {
        CpuWeight { weight: &self.weights[weight], tensors: &self.tensors }
    }
}

/// Takes chunks to the CPU.
pub struct CpuSink<'a> {
    /// The graph that the weights are for.
    pub graph: &'a Graph,
    /// Where the bytes go.
    pub weights: &'a mut CpuWeights,
}

impl<B: Bytes> Sink<B> for CpuSink<'_> {
    async fn accept(&mut self, file: usize, offset: u64, bytes: B) -> Result<()> {
        for index in 0..self.weights.tensors.len() {
            let (tensor, room) = &mut self.weights.tensors[index];
            let Some((range, first, _)) = overlap(tensor, file, offset, bytes.len()) else { continue };
            let part = bytes.slice(range.start, range.end);
            let at = (first * tensor.format.block_bytes()) as usize;
            let room = &mut room[at..at + part.len() as usize];
            part.copy_to(room);
            if self.graph.weights.iter().any(|weight| weight.pieces.iter().any(|piece| piece.tensor == index)) {
                check_finite(tensor, room)?;
            }
            if is_vector(self.graph, index) {
                self.weights.vectors.fill(self.graph, (index, tensor), first as usize, &part.to_vec())?;
            }
        }
        Ok(())
    }
}

/// One matrix of [`CpuWeights`].
pub struct CpuWeight<'a> {
    weight: &'a Weight,
    tensors: &'a [(TensorInfo, Vec<u8>)],
}

impl CpuMatrix for CpuWeight<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.weight.rows as usize, self.weight.cols as usize)
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        out.fill(0.0);
        let inside = |p: &&Piece| (p.row_offset..p.row_offset + p.rows).contains(&(row as u32));
        let mut pieces = self.weight.pieces.iter().filter(inside);
        let Some(piece) = pieces.next() else { return };
        self.stored_row(piece, row, out);
        // Codes and scales of one format in two tensors.
        for piece in pieces {
            let mut factors = vec![0.0; out.len()];
            self.stored_row(piece, row, &mut factors);
            out.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        }
    }
}

impl CpuWeight<'_> {
    fn stored_row(&self, piece: &Piece, row: usize, out: &mut [f32]) {
        let (tensor, bytes) = &self.tensors[piece.tensor];
        let stack = piece.elements(bytes.len() as u64);
        let bytes = &bytes[stack.start as usize..stack.end as usize];
        let stored = piece.take.stored(row - piece.row_offset as usize);
        if piece.take.by_columns > 0 {
            let n_bytes = tensor.format.block_bytes() as usize;
            for (i, value) in out.iter_mut().enumerate() {
                let at = (i * piece.take.by_columns as usize + stored) * n_bytes;
                tensor.format.dequantize(&bytes[at..at + n_bytes], std::slice::from_mut(value));
            }
            return;
        }
        let row_bytes = out.len() / tensor.format.block_weights() as usize * tensor.format.block_bytes() as usize;
        tensor.format.dequantize(&bytes[stored * row_bytes..][..row_bytes], out);
    }
}
