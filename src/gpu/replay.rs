//! A lowered step: pipelines, bind groups and grid formulas, built once and encoded anew each step. While it replays,
//! nothing is created.

use std::rc::Rc;

use super::buffer::{GpuBuffer, Usage};
use super::device::Gpu;
use super::pipeline::{KernelSpec, Pipeline};
use crate::error::{Error, ErrorKind, Result};

/// Parameters of one dispatch start at multiples of this many bytes (WebGPU's `minUniformBufferOffsetAlignment`).
const PARAMS_ALIGN: u64 = 256;

/// Which kernels draw the token after a step's last row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draw {
    /// None: nobody asks, or the CPU draws.
    #[default]
    Nothing,
    /// The best token, with noise or without.
    Best,
    /// One of those that filters keep.
    Filtered,
}

/// What the grids of a step depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepShape {
    /// Rows (tokens) in the step.
    pub n_rows: u32,
    /// How many of the last rows go on to the head.
    pub n_outputs: u32,
    /// An upper bound of the positions that any row attends to.
    pub kv_length: u32,
    /// How the next token is drawn.
    pub draw: Draw,
}

/// Workgroups of a dispatch as a function of the step.
pub type Grid = Box<dyn Fn(&StepShape) -> [u32; 3]>;

/// Bytes that a dispatch reads as a function of the step.
pub type Traffic = Box<dyn Fn(&StepShape) -> u64>;

/// One dispatch, as data.
pub struct DispatchSpec {
    /// The value that it computes, e.g. `layer.3.q_proj`.
    pub label: String,
    /// The kernel.
    pub kernel: KernelSpec,
    /// The bytes of the kernel's `Params`.
    pub params: Vec<u8>,
    /// Storage bindings 1, 2, …: inputs, then outputs.
    pub buffers: Vec<Rc<GpuBuffer>>,
    /// Workgroups.
    pub grid: Grid,
    /// Bytes of weights that it reads.
    pub weight_bytes: Traffic,
    /// Bytes of keys and values that it reads.
    pub kv_bytes: Traffic,
    /// Multiply-adds, where there are many.
    pub work: Traffic,
}

/// What the dispatches of one kernel do in a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelUse {
    /// The kernel, with what fills its slots.
    pub kernel: String,
    /// Which dispatches.
    pub dispatches: Vec<usize>,
    /// Bytes of weights that they read.
    pub weight_bytes: u64,
    /// Bytes of keys and values that they read.
    pub kv_bytes: u64,
    /// Their multiply-adds, where there are many.
    pub multiply_adds: u64,
}

pub(super) struct Dispatch {
    pub(super) pipeline: Rc<Pipeline>,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) grid: Grid,
    pub(super) weight_bytes: Traffic,
    pub(super) kv_bytes: Traffic,
    work: Traffic,
    /// Keeps the buffers alive as long as the bind group.
    _buffers: Vec<Rc<GpuBuffer>>,
}

/// A list of dispatches that is built once and replayed each step.
pub struct Recording {
    pub(super) dispatches: Vec<Dispatch>,
    labels: Vec<String>,
    kernels: Vec<String>,
    _params: Rc<GpuBuffer>,
}

impl Recording {
    /// Compiles and binds `specs`.
    ///
    /// # Errors
    /// `gpu` if a kernel and its buffers do not fit together.
    pub fn new(gpu: &Gpu, label: &str, specs: Vec<DispatchSpec>) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut offsets = Vec::new();
        for spec in &specs {
            bytes.resize(bytes.len().next_multiple_of(PARAMS_ALIGN as usize), 0);
            offsets.push(bytes.len() as u64);
            bytes.extend_from_slice(&spec.params);
        }
        let params = Rc::new(gpu.create_buffer(&format!("{label}.params"), bytes.len() as u64, Usage::Uniform));
        gpu.write(&params, 0, &bytes);
        let mut dispatches = Vec::with_capacity(specs.len());
        let mut labels = Vec::with_capacity(specs.len());
        let kernels = specs.iter().map(|spec| spec.kernel.label()).collect();
        for (spec, offset) in specs.into_iter().zip(offsets) {
            labels.push(format!("{} {}", spec.label, spec.kernel.label()));
            let pipeline = gpu.pipeline(&spec.kernel)?;
            if pipeline.n_bindings != spec.buffers.len() + 1 {
                return Err(Error::new(
                    ErrorKind::Gpu,
                    format!("{} binds {} buffers", spec.kernel.label(), spec.buffers.len()),
                ));
            }
            let params_binding = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &params.raw,
                offset,
                size: std::num::NonZeroU64::new((spec.params.len() as u64).next_multiple_of(16)),
            });
            let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: params_binding }];
            for (i, buffer) in spec.buffers.iter().enumerate() {
                let resource = buffer.raw.as_entire_binding();
                entries.push(wgpu::BindGroupEntry { binding: i as u32 + 1, resource });
            }
            let bind_group = gpu.create_bind_group(&spec.label, &pipeline.layout, &entries);
            let DispatchSpec { grid, weight_bytes, kv_bytes, work, buffers, .. } = spec;
            dispatches.push(Dispatch { pipeline, bind_group, grid, weight_bytes, kv_bytes, work, _buffers: buffers });
        }
        Ok(Self { dispatches, labels, kernels, _params: params })
    }

    /// How many dispatches there are at most.
    pub fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.dispatches.is_empty()
    }

    /// Multiply-adds of each dispatch in such a step, as its op declares.
    pub fn work(&self, shape: &StepShape) -> Vec<u64> {
        self.dispatches.iter().map(|dispatch| (dispatch.work)(shape)).collect()
    }

    /// What the dispatches of each kernel read and multiply in such a step, by kernel, in the order of the first.
    pub fn by_kernel(&self, shape: &StepShape) -> Vec<KernelUse> {
        let mut uses: Vec<KernelUse> = Vec::new();
        for (i, (dispatch, kernel)) in self.dispatches.iter().zip(&self.kernels).enumerate() {
            if (dispatch.grid)(shape).contains(&0) {
                continue;
            }
            let at = uses.iter().position(|of| of.kernel == *kernel).unwrap_or(uses.len());
            if at == uses.len() {
                uses.push(KernelUse { kernel: kernel.clone(), ..KernelUse::default() });
            }
            let of = &mut uses[at];
            of.dispatches.push(i);
            of.weight_bytes += (dispatch.weight_bytes)(shape);
            of.kv_bytes += (dispatch.kv_bytes)(shape);
            of.multiply_adds += (dispatch.work)(shape);
        }
        uses
    }

    /// One line a dispatch: value and kernel.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }
}
