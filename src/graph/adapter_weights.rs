//! An adapter's matrices: its tensors as they arrive, put together and brought to the GPU, or kept for the references.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use super::adapter::{AdapterMatrix, AdapterPlan};
use super::weights::{check_finite, overlap};
use super::{Graph, Piece, Weight};
use crate::error::{Error, ErrorKind, Result};
use crate::format::TensorInfo;
use crate::gpu::upload::{GpuMatrix, RowTake, Slice, Uploader};
use crate::gpu::{Gpu, GpuBuffer, Usage};
use crate::quant::Format;
use crate::weights::{Bytes, Cancel, Sink, VecBytes};

/// Bytes of a matrix that are put together at once.
const SLICE_BYTES: u64 = 1 << 20;

/// A loaded adapter. Dropping the last handle frees it, and so does [`Adapter::unload`].
pub struct Adapter {
    /// The graph that it was planned for.
    graph: Rc<Graph>,
    plan: AdapterPlan,
    matrices: RefCell<Matrices>,
    /// The scale that its factors have on the GPU.
    scale: Cell<f32>,
}

enum Matrices {
    Unloaded,
    Gpu {
        matrices: Vec<GpuMatrix>,
        factors: Rc<GpuBuffer>,
    },
    /// As stored: floats of each matrix's format.
    Cpu(Vec<Vec<u8>>),
}

impl Adapter {
    /// Brings the matrices of `plan`, planned for `graph`, to the GPU, or with none to the references. `tensors` are the adapter's,
    /// and `bytes` what they hold.
    ///
    /// # Errors
    /// `out_of_memory`; `non_finite_weights` (data: `tensor`); `aborted`; `device_lost`, `gpu`.
    pub async fn new<B: Bytes>(
        gpu: Option<&Gpu>,
        graph: Rc<Graph>,
        plan: AdapterPlan,
        (tensors, bytes): (&[TensorInfo], &AdapterBytes<B>),
        cancel: &Cancel,
    ) -> Result<Self> {
        let matrices = match gpu {
            Some(gpu) => to_gpu(gpu, &plan, tensors, bytes, cancel).await?,
            None => {
                let whole = |matrix: &AdapterMatrix| {
                    let n_bytes = u64::from(matrix.rows) * row_bytes(matrix);
                    super::weights::zeros::<u8>(&matrix.name, n_bytes)?;
                    joined(matrix, &stored(matrix, tensors, bytes), 0..matrix.rows)
                };
                Matrices::Cpu(plan.matrices.iter().map(whole).collect::<Result<_>>()?)
            }
        };
        Ok(Self { graph, plan, matrices: RefCell::new(matrices), scale: Cell::new(f32::NAN) })
    }

    /// What it adds to which linears.
    pub fn plan(&self) -> &AdapterPlan {
        &self.plan
    }

    /// The graph that it was planned for.
    pub fn graph(&self) -> &Rc<Graph> {
        &self.graph
    }

    /// Bytes that it takes, on the GPU or in the heap.
    pub fn bytes(&self) -> u64 {
        match &*self.matrices.borrow() {
            Matrices::Gpu { matrices, factors } => {
                let parts = matrices.iter().flat_map(|matrix| &matrix.parts);
                // Floats have no scales: one buffer is bound in their place.
                let none = matrices.first().and_then(|matrix| Some(matrix.parts.first()?.scales.bytes()));
                parts.map(|part| part.quants.bytes()).sum::<u64>() + none.unwrap_or(0) + factors.bytes()
            }
            Matrices::Cpu(matrices) => matrices.iter().map(|matrix| matrix.len() as u64).sum(),
            Matrices::Unloaded => 0,
        }
    }

    /// Whether [`Adapter::unload`] was called.
    pub fn is_unloaded(&self) -> bool {
        matches!(*self.matrices.borrow(), Matrices::Unloaded)
    }

    /// Frees its matrices, whoever has a handle. Recordings that use it must be gone.
    pub fn unload(&self) {
        self.matrices.replace(Matrices::Unloaded);
    }

    /// Its matrices and factors on the GPU.
    pub(super) fn on_gpu(&self) -> Result<(Vec<GpuMatrix>, Rc<GpuBuffer>)> {
        match &*self.matrices.borrow() {
            Matrices::Gpu { matrices, factors } => Ok((matrices.clone(), Rc::clone(factors))),
            _ => Err(Error::internal("the adapter is not on the GPU")),
        }
    }

    /// Writes its factors, if they are not those of `scale` already.
    ///
    /// # Errors
    /// `internal` if it is not on the GPU.
    pub fn write_scale(&self, gpu: &Gpu, scale: f32) -> Result<()> {
        let (_, factors) = self.on_gpu()?;
        if self.scale.replace(scale) != scale {
            gpu.write(&factors, 0, bytemuck::cast_slice(&self.factors(scale)));
        }
        Ok(())
    }

    /// Its factors with a request's scale.
    pub(super) fn factors(&self, scale: f32) -> Vec<f32> {
        self.plan.factors.iter().map(|factor| factor * scale).collect()
    }

    /// Its matrices as weights and tensors of the references, the first tensor being number `first`.
    pub(super) fn on_cpu(&self, first: usize) -> impl Iterator<Item = (Weight, TensorInfo, Vec<u8>)> {
        let stored = match &*self.matrices.borrow() {
            Matrices::Cpu(matrices) => matrices.clone(),
            _ => Vec::new(),
        };
        self.plan.matrices.iter().zip(stored).enumerate().map(move |(i, (matrix, bytes))| {
            let AdapterMatrix { name, rows, cols, format, .. } = matrix.clone();
            let take = RowTake::all(rows);
            let pieces = vec![Piece { tensor: first + i, row_offset: 0, rows, take, of_stack: (0, 1) }];
            let (shape, n_bytes) = (vec![u64::from(rows), u64::from(cols)], bytes.len() as u64);
            let row_map = crate::format::RowMap::Identity;
            let info = TensorInfo { name: name.clone(), file: 0, offset: 0, n_bytes, shape, format, row_map };
            (Weight { name, rows, cols, format, vector: false, plus: 0.0, pieces }, info, bytes)
        })
    }
}

async fn to_gpu<B: Bytes>(
    gpu: &Gpu,
    plan: &AdapterPlan,
    tensors: &[TensorInfo],
    bytes: &AdapterBytes<B>,
    cancel: &Cancel,
) -> Result<Matrices> {
    let mut needed = plan.factors.len() as u64 * 4;
    for matrix in &plan.matrices {
        let (quant_bytes, _) = matrix.format.gpu_row_bytes(u64::from(matrix.cols));
        gpu.check_fits(&matrix.name, u64::from(matrix.rows.next_multiple_of(4).min(32)) * quant_bytes)?;
        needed += u64::from(matrix.rows) * quant_bytes;
        // Repacking counts in 32 bits (`shaders/repack.wgsl`).
        if u64::from(matrix.rows) * u64::from(matrix.cols) > u64::from(u32::MAX) {
            let what = format!("an adapter's matrix of {} × {}", matrix.rows, matrix.cols);
            return Err(Error::unsupported(what, format!("{} is larger than doran takes", matrix.name)));
        }
    }
    let doing = "making room for the adapter";
    let slice_bytes = plan.matrices.iter().map(row_bytes).fold(SLICE_BYTES, u64::max);
    let create = || {
        let none = Rc::new(gpu.create_buffer("nothing", 16, Usage::Storage));
        let factors = Rc::new(gpu.create_buffer("lora.factors", plan.factors.len() as u64 * 4, Usage::Storage));
        (none, factors, Uploader::new(gpu, slice_bytes))
    };
    let (none, factors, uploader) = gpu.guarded(doing, needed, create).await?;
    let mut matrices = Vec::with_capacity(plan.matrices.len());
    for matrix in &plan.matrices {
        // Each by itself: answers go on between two of them.
        let AdapterMatrix { name, rows, cols, format, .. } = matrix;
        let create = || GpuMatrix::new(gpu, name, *format, *rows, *cols, &none);
        let room = gpu.guarded(doing, needed, create).await?;
        cancel.check()?;
        let stored = stored(matrix, tensors, bytes);
        let step = (slice_bytes / row_bytes(matrix)) as u32;
        for first in (0..*rows).step_by(step as usize) {
            let slice_rows = first..(*rows).min(first.saturating_add(step));
            let [first, end] = [slice_rows.start, slice_rows.end].map(|row| u64::from(row) * u64::from(*cols));
            let chunk = VecBytes::from(joined(matrix, &stored, slice_rows)?);
            let (take, stored) = (RowTake::all(*rows), *format);
            // Its floats were looked at when they were put together.
            let slice = Slice { chunk_byte: 0, first, end, row_offset: 0, take, stored, tensor: 0 };
            uploader.upload(gpu, &chunk, &[(room.clone(), slice)])?;
        }
        matrices.push(room);
    }
    gpu.check()?;
    Ok(Matrices::Gpu { matrices, factors })
}

/// Bytes of a row, as it is put together.
fn row_bytes(matrix: &AdapterMatrix) -> u64 {
    u64::from(matrix.cols) * matrix.format.block_bytes()
}

/// A tensor of a matrix with all its bytes.
type Stored<'a> = (usize, &'a TensorInfo, Vec<u8>);

fn stored<'a, B: Bytes>(matrix: &AdapterMatrix, tensors: &'a [TensorInfo], bytes: &AdapterBytes<B>) -> Vec<Stored<'a>> {
    let mut stored: Vec<Stored<'a>> = Vec::new();
    for block in &matrix.blocks {
        if !stored.iter().any(|(tensor, ..)| *tensor == block.tensor) {
            stored.push((block.tensor, &tensors[block.tensor], bytes.of(block.tensor)));
        }
    }
    stored
}

/// Some rows of a matrix, in its format.
///
/// # Errors
/// `non_finite_weights`.
fn joined(matrix: &AdapterMatrix, stored: &[Stored<'_>], rows: Range<u32>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(rows.len() * row_bytes(matrix) as usize);
    let mut values = vec![0.0f32; matrix.cols as usize];
    for row in rows {
        values.fill(0.0);
        for block in &matrix.blocks {
            let Some(at) = row.checked_sub(block.row_offset).filter(|at| *at < block.rows) else { continue };
            let Some((_, info, bytes)) = stored.iter().find(|(tensor, ..)| *tensor == block.tensor) else { continue };
            let cols = info.shape[1] as usize;
            let n_bytes = cols / info.format.block_weights() as usize * info.format.block_bytes() as usize;
            let bytes = &bytes[block.take.stored(at as usize) * n_bytes..][..n_bytes];
            check_finite(info, bytes)?;
            info.format.dequantize(bytes, &mut values[block.col as usize..][..cols]);
        }
        match matrix.format {
            // What was in these formats goes back into them as it was.
            Format::F16 => out.extend(values.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes())),
            Format::BF16 => out.extend(values.iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes())),
            _ => out.extend(values.iter().flat_map(|x| x.to_le_bytes())),
        }
    }
    Ok(out)
}

/// Takes an adapter's chunks, and keeps of them what belongs to its tensors. On the web that is outside of the wasm heap.
pub struct AdapterBytes<B> {
    tensors: Vec<TensorInfo>,
    /// By tensor: first byte, and what is there.
    parts: Vec<Vec<(u64, B)>>,
}

impl<B: Bytes> AdapterBytes<B> {
    /// Room for these tensors.
    pub fn new(tensors: &[TensorInfo]) -> Self {
        Self { tensors: tensors.to_vec(), parts: tensors.iter().map(|_| Vec::new()).collect() }
    }

    /// All bytes of a tensor.
    fn of(&self, tensor: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.tensors[tensor].n_bytes as usize];
        for (first, part) in &self.parts[tensor] {
            part.copy_to(&mut bytes[*first as usize..][..part.len() as usize]);
        }
        bytes
    }

    /// Bytes that must be in a heap at once to put a matrix together.
    ///
    /// # Errors
    /// `out_of_memory` if a tensor is larger than the heap may hold.
    pub fn check(&self) -> Result<()> {
        for tensor in &self.tensors {
            if usize::try_from(tensor.n_bytes).is_err() || tensor.n_bytes > i32::MAX as u64 {
                let message = format!(
                    "the adapter's {:?} takes {} bytes: more than fit in one piece",
                    tensor.name, tensor.n_bytes
                );
                return Err(Error::new(ErrorKind::OutOfMemory, message).with("needed_bytes", tensor.n_bytes));
            }
        }
        Ok(())
    }
}

impl<B: Bytes> Sink<B> for AdapterBytes<B> {
    async fn accept(&mut self, file: usize, offset: u64, bytes: B) -> Result<()> {
        for (tensor, parts) in self.tensors.iter().zip(&mut self.parts) {
            if let Some((range, first, _)) = overlap(tensor, file, offset, bytes.len()) {
                parts.push((first * tensor.format.block_bytes(), bytes.slice(range.start, range.end)));
            }
        }
        Ok(())
    }
}
