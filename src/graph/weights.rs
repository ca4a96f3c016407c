//! A graph's weights, on the GPU or on the CPU, filled chunk by chunk as a model's bytes arrive.

mod cpu;

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use super::{Adapter, Graph, Piece, Weight};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Checkpoint, TensorInfo};
use crate::gpu::upload::{GpuMatrix, Slice, Uploader, repack_kernels};
use crate::gpu::{Gpu, GpuBuffer, KernelSpec, Usage};
use crate::quant::Format;
use crate::weights::{Bytes, Sink, TensorSpan};

pub use self::cpu::{CpuSink, CpuWeight, CpuWeights};

/// The byte spans of all tensors, for the plan that cuts files into chunks.
pub fn spans(checkpoint: &Checkpoint) -> Vec<TensorSpan> {
    tensor_spans(&checkpoint.tensors)
}

/// The byte spans of these tensors.
pub fn tensor_spans(tensors: &[TensorInfo]) -> Vec<TensorSpan> {
    let span = |tensor: &TensorInfo| TensorSpan {
        file: tensor.file,
        offset: tensor.offset,
        n_bytes: tensor.n_bytes,
        block_bytes: tensor.format.block_bytes(),
    };
    tensors.iter().map(span).collect()
}

/// `len` zeros, where the heap has room for them: a length that a file states must not end the program.
pub(super) fn zeros<T: Clone + Default>(what: &str, len: u64) -> Result<Vec<T>> {
    let full = |_| {
        let needed = len.saturating_mul(size_of::<T>() as u64);
        Error::new(
            ErrorKind::OutOfMemory,
            format!("no room for the {needed} bytes of {what}; use a smaller model or context"),
        )
        .with("needed_bytes", needed)
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    let mut room = Vec::new();
    room.try_reserve_exact(len).map_err(full)?;
    room.resize(len, T::default());
    Ok(room)
}

/// Vectors (norm weights, biases, rotary divisors) in f32: small enough to pass through the CPU.
struct Vectors {
    /// Values by weight; empty for matrices.
    values: Vec<Vec<f32>>,
}

impl Vectors {
    fn new(graph: &Graph) -> Self {
        let room = |weight: &Weight| if weight.vector { vec![0.0; weight.cols as usize] } else { Vec::new() };
        Self { values: graph.weights.iter().map(room).collect() }
    }

    /// Takes the stored elements `[first, first + n)` of a tensor.
    ///
    /// # Errors
    /// `non_finite_weights`.
    fn fill(
        &mut self,
        graph: &Graph,
        (tensor_index, tensor): (usize, &TensorInfo),
        first: usize,
        bytes: &[u8],
    ) -> Result<()> {
        check_finite(tensor, bytes)?;
        let mut values = vec![0.0; bytes.len() / tensor.format.block_bytes() as usize];
        tensor.format.dequantize(bytes, &mut values);
        for (weight, room) in graph.weights.iter().zip(&mut self.values).filter(|(weight, _)| weight.vector) {
            for piece in weight.pieces.iter().filter(|piece| piece.tensor == tensor_index) {
                let elements = piece.elements(tensor.n_bytes / tensor.format.block_bytes());
                for (i, value) in values.iter().enumerate().filter(|(i, _)| elements.contains(&((first + i) as u64))) {
                    let row = first + i - elements.start as usize;
                    let to = piece.take.place_of(row).map(|row| piece.row_offset as usize + row);
                    if let Some(place) = to.and_then(|to| room.get_mut(to)) {
                        *place = value + weight.plus;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Refuses stored blocks that hold NaN or infinity.
pub(super) fn check_finite(tensor: &TensorInfo, bytes: &[u8]) -> Result<()> {
    if tensor.format.is_finite(bytes) { Ok(()) } else { Err(Error::non_finite_weights(&tensor.name)) }
}

/// Whether some vector is made of this tensor. A file may hold others, of any length, which must not pass through the heap.
fn is_vector(graph: &Graph, tensor_index: usize) -> bool {
    let made_of = |weight: &Weight| weight.vector && weight.pieces.iter().any(|piece| piece.tensor == tensor_index);
    graph.weights.iter().any(made_of)
}

/// The part of a tensor that a chunk holds: (bytes in the chunk, first stored block, last stored block + 1).
pub(super) fn overlap(
    tensor: &TensorInfo,
    file: usize,
    offset: u64,
    len: u64,
) -> Option<(std::ops::Range<u64>, u64, u64)> {
    let begin = tensor.offset.max(offset);
    let end = (tensor.offset + tensor.n_bytes).min(offset + len);
    if tensor.file != file || begin >= end {
        return None;
    }
    let block = tensor.format.block_bytes();
    Some((begin - offset..end - offset, (begin - tensor.offset) / block, (end - tensor.offset) / block))
}

/// A graph's weights on the GPU.
pub struct GpuWeights {
    matrices: Vec<Option<GpuMatrix>>,
    vectors: Vec<Option<Rc<GpuBuffer>>>,
    cpu_vectors: RefCell<Vectors>,
    /// Bound where a kernel has a binding that a case does not read.
    pub nothing: Rc<GpuBuffer>,
}

impl GpuWeights {
    /// Room for every weight that a node reads.
    ///
    /// # Errors
    /// `out_of_memory`, with everything freed.
    pub async fn allocate(gpu: &Gpu, graph: &Graph) -> Result<Self> {
        let used = used_weights(graph);
        for weight in graph.weights.iter().zip(&used).filter(|(weight, used)| **used && !weight.vector).map(|(w, _)| w)
        {
            // A part has 32 rows at least (`GpuMatrix::new`).
            let (quant_bytes, _) = weight.format.gpu_row_bytes(u64::from(weight.cols));
            gpu.check_fits(&weight.name, u64::from(weight.rows.next_multiple_of(4).min(32)) * quant_bytes)?;
        }
        let needed: u64 = graph.weights.iter().zip(&used).filter(|(_, used)| **used).map(|(w, _)| gpu_bytes(w)).sum();
        let create = || {
            let nothing = Rc::new(gpu.create_buffer("nothing", 256, Usage::Storage));
            let matrix = |(weight, used): (&Weight, &bool)| {
                let Weight { name, rows, cols, format, vector, .. } = weight;
                (*used && !vector).then(|| GpuMatrix::new(gpu, name, *format, *rows, *cols, &nothing))
            };
            let matrices = graph.weights.iter().zip(&used).map(matrix).collect();
            let vector = |(weight, used): (&Weight, &bool)| {
                let bytes = u64::from(weight.cols.next_multiple_of(32)) * 4;
                (*used && weight.vector).then(|| Rc::new(gpu.create_buffer(&weight.name, bytes, Usage::Storage)))
            };
            let vectors = graph.weights.iter().zip(&used).map(vector).collect();
            Self { matrices, vectors, cpu_vectors: RefCell::new(Vectors::new(graph)), nothing }
        };
        gpu.guarded("making room for the weights", needed, create).await
    }

    /// The same weights, and behind them those of adapters, in the order of [`super::adapter::adapt`]. What they hold is shared.
    ///
    /// # Errors
    /// `internal` if an adapter is not on the GPU.
    pub fn with_adapters(&self, adapters: &[Rc<Adapter>]) -> Result<Self> {
        let (mut matrices, mut vectors) = (self.matrices.clone(), self.vectors.clone());
        for adapter in adapters {
            let (own, factors) = adapter.on_gpu()?;
            matrices.extend(own.into_iter().map(Some));
            vectors.resize(matrices.len(), None);
            matrices.push(None);
            vectors.push(Some(factors));
        }
        let cpu_vectors = RefCell::new(Vectors { values: Vec::new() });
        Ok(Self { matrices, vectors, cpu_vectors, nothing: Rc::clone(&self.nothing) })
    }

    /// Matrix `weight`.
    ///
    /// # Errors
    /// `internal` if it is none.
    pub fn matrix(&self, weight: usize) -> Result<&GpuMatrix> {
        self.matrices[weight].as_ref().ok_or_else(|| Error::internal("a weight is not a matrix"))
    }

    /// Vector `weight`.
    ///
    /// # Errors
    /// `internal` if it is none.
    pub fn vector(&self, weight: usize) -> Result<&Rc<GpuBuffer>> {
        self.vectors[weight].as_ref().ok_or_else(|| Error::internal("a weight is not a vector"))
    }

    /// Vector `weight` on the CPU.
    pub fn cpu_vector(&self, weight: usize) -> Ref<'_, [f32]> {
        Ref::map(self.cpu_vectors.borrow(), |vectors| vectors.values[weight].as_slice())
    }

    /// Brings the vectors to the GPU, once all chunks have come.
    pub fn finish(&self, gpu: &Gpu) {
        for (buffer, values) in self.vectors.iter().zip(&self.cpu_vectors.borrow().values) {
            if let Some(buffer) = buffer {
                gpu.write(buffer, 0, bytemuck::cast_slice(values));
            }
        }
    }
}

/// Bytes of a weight on the GPU.
pub fn gpu_bytes(weight: &Weight) -> u64 {
    if weight.vector {
        return u64::from(weight.cols.next_multiple_of(32)) * 4;
    }
    let (quants, scales) = weight.format.gpu_row_bytes(u64::from(weight.cols));
    u64::from(weight.rows) * (quants + scales)
}

/// The formats of the matrices that nodes read, the one of the most bytes first.
pub fn formats(graph: &Graph) -> Vec<Format> {
    let used = used_weights(graph);
    let mut bytes: Vec<(Format, u64)> = Vec::new();
    for (weight, _) in graph.weights.iter().zip(&used).filter(|(weight, used)| **used && !weight.vector) {
        match bytes.iter_mut().find(|(format, _)| *format == weight.format) {
            Some((_, sum)) => *sum += gpu_bytes(weight),
            None => bytes.push((weight.format, gpu_bytes(weight))),
        }
    }
    bytes.sort_unstable_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    bytes.into_iter().map(|(format, _)| format).collect()
}

/// Which weights some node (or rotary table) reads: fusion leaves the ones it replaced behind.
pub fn used_weights(graph: &Graph) -> Vec<bool> {
    use crate::ops::Op;
    let mut used = vec![false; graph.weights.len()];
    for node in &graph.nodes {
        let read = match &node.op {
            Op::Embedding(op) => [Some(op.weight), None],
            Op::RmsNorm(op) => [Some(op.weight), None],
            Op::Norm(op) => [op.weight, op.bias],
            Op::Linear(op) => [Some(op.weight), op.bias],
            Op::ExpertLinear(op) => [Some(op.weight), op.bias],
            Op::Attention(op) => [op.sinks, None],
            Op::RopeAttention(op) => [op.attention.sinks, None],
            Op::ShortConv(op) => [Some(op.weight), op.bias],
            Op::SelectiveScan(op) => [Some(op.a), Some(op.d)],
            Op::ColumnScale(op) => [Some(op.weight), None],
            Op::Wkv(op) => [Some(op.decay), Some(op.first)],
            _ => [None; 2],
        };
        read.into_iter().flatten().for_each(|weight| used[weight] = true);
    }
    used
}

/// Takes chunks to the GPU while a model loads.
pub struct GpuSink<'a> {
    gpu: &'a Gpu,
    graph: &'a Graph,
    checkpoint: &'a Checkpoint,
    weights: &'a GpuWeights,
    uploader: Uploader,
}

impl<'a> GpuSink<'a> {
    /// A sink for chunks of up to `chunk_bytes`.
    pub fn new(
        gpu: &'a Gpu,
        graph: &'a Graph,
        checkpoint: &'a Checkpoint,
        weights: &'a GpuWeights,
        chunk_bytes: u64,
    ) -> Self {
        Self { gpu, graph, checkpoint, weights, uploader: Uploader::new(gpu, chunk_bytes) }
    }

    /// The kernels that bring a checkpoint's matrices to the GPU.
    pub fn kernels(gpu: &Gpu, graph: &Graph, checkpoint: &Checkpoint) -> Vec<KernelSpec> {
        let matrices = graph.weights.iter().zip(used_weights(graph)).filter(|(weight, used)| *used && !weight.vector);
        let pieces = matrices.flat_map(|(weight, _)| &weight.pieces);
        repack_kernels(
            gpu,
            pieces.filter_map(|piece| Some((checkpoint.tensors.get(piece.tensor)?.format, &piece.take))),
        )
    }

    /// Refuses matrices that hold NaN or infinity, once all chunks have come; vectors were looked at as they came.
    ///
    /// # Errors
    /// `non_finite_weights`; `device_lost`, `gpu`.
    pub async fn check(&self) -> Result<()> {
        let at_fault = self.uploader.check(self.gpu).await?;
        match at_fault.and_then(|tensor| self.checkpoint.tensors.get(tensor as usize)) {
            Some(tensor) => Err(Error::non_finite_weights(&tensor.name)),
            None => Ok(()),
        }
    }
}

impl GpuSink<'_> {
    /// What a chunk holds of matrices; its vectors are taken.
    #[inline(never)] // Its loops would make all of a load hot: see src/tokenizer/vocabulary.rs.
    fn slices<B: Bytes>(&self, file: usize, offset: u64, bytes: &B) -> Result<Vec<(GpuMatrix, Slice)>> {
        let mut slices = Vec::new();
        for (index, tensor) in self.checkpoint.tensors.iter().enumerate() {
            let Some((range, first, end)) = overlap(tensor, file, offset, bytes.len()) else { continue };
            if is_vector(self.graph, index) {
                let part = bytes.slice(range.start, range.end).to_vec();
                self.weights.cpu_vectors.borrow_mut().fill(self.graph, (index, tensor), first as usize, &part)?;
            }
            for (matrix, weight) in self.weights.matrices.iter().zip(&self.graph.weights) {
                let Some(matrix) = matrix else { continue };
                for piece in weight.pieces.iter().filter(|piece| piece.tensor == index) {
                    let Piece { row_offset, take, .. } = *piece;
                    let mut elements = piece.elements(tensor.n_bytes / tensor.format.block_bytes());
                    let start = elements.start;
                    if take.by_columns == 0 && piece.rows == take.each {
                        // One run of rows: what lies around it is not looked at.
                        let row_blocks = u64::from(weight.cols) / tensor.format.block_weights();
                        let run = [take.first, take.first + take.each].map(|row| start + u64::from(row) * row_blocks);
                        elements = run[0]..run[1];
                    }
                    let (begin, end) = (elements.start.max(first), elements.end.min(end));
                    if begin < end {
                        let chunk_byte = range.start + (begin - first) * tensor.format.block_bytes();
                        let (first, end, stored) = (begin - start, end - start, tensor.format);
                        let tensor = index as u32;
                        let slice = Slice { chunk_byte, first, end, row_offset, take, stored, tensor };
                        slices.push((matrix.clone(), slice));
                    }
                }
            }
        }
        Ok(slices)
    }
}

impl<B: Bytes> Sink<B> for GpuSink<'_> {
    async fn accept(&mut self, file: usize, offset: u64, bytes: B) -> Result<()> {
        let slices = self.slices(file, offset, &bytes)?;
        self.gpu
            .compile(&repack_kernels(self.gpu, slices.iter().map(|(_, slice)| (slice.stored, &slice.take))))
            .await?;
        self.uploader.upload(self.gpu, &bytes, &slices)
    }
}
