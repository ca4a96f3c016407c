//! A GPU buffer with a name, one owner, and an explicit end.

use super::counters::Counters;

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Read and written by kernels, copied to and from.
    Storage,
    /// Parameters of kernels.
    Uniform,
    /// Mapped by the CPU after a copy.
    Readback,
}

/// A buffer on the GPU. Dropping it destroys it at once, rather than when a garbage collector gets to it.
#[derive(Debug)]
pub struct GpuBuffer {
    pub(super) raw: wgpu::Buffer,
    bytes: u64,
    label: String,
    counters: Counters,
}

impl GpuBuffer {
    pub(super) fn new(device: &wgpu::Device, counters: &Counters, label: &str, bytes: u64, usage: Usage) -> Self {
        let usage = match usage {
            Usage::Storage => wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            Usage::Uniform => wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            Usage::Readback => wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        };
        let bytes = bytes.max(16).next_multiple_of(16);
        let raw = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        counters.update(|c| {
            c.created += 1;
            c.live_objects += 1;
            c.gpu_bytes += bytes;
        });
        Self { raw, bytes, label: label.to_owned(), counters: counters.clone() }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The name, e.g. `layer.3.q_proj`.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        self.raw.destroy();
        self.counters.update(|c| {
            c.live_objects -= 1;
            c.gpu_bytes -= self.bytes;
        });
    }
}
