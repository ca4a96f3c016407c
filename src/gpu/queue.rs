//! Everything that is sent to the GPU: writes, submits, read-backs. The only file that submits.

use super::buffer::GpuBuffer;
use super::device::Gpu;
use super::replay::{Recording, StepShape};
use crate::error::{Error, ErrorKind, Result};

impl Gpu {
    /// Writes CPU bytes; `bytes` is padded to whole words.
    pub fn write(&self, buffer: &GpuBuffer, offset: u64, bytes: &[u8]) {
        if bytes.len().is_multiple_of(4) {
            self.queue.write_buffer(&buffer.raw, offset, bytes);
        } else {
            let mut padded = bytes.to_vec();
            padded.resize(bytes.len().next_multiple_of(4), 0);
            self.queue.write_buffer(&buffer.raw, offset, &padded);
        }
        self.count_write(bytes.len() as u64);
    }

    pub(super) fn count_write(&self, n_bytes: u64) {
        self.counters.update(|c| {
            c.buffer_writes += 1;
            c.bytes_written += n_bytes;
        });
    }

    /// Submits a step: `recording` in one compute pass, then a copy of `copy`'s first bytes into `readback`.
    pub fn submit(&self, recording: &Recording, shape: &StepShape, copy: Option<(&GpuBuffer, &GpuBuffer, u64)>) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("step") });
        let mut n_dispatches = 0;
        let (mut weight_bytes, mut kv_bytes) = (0, 0);
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in &recording.dispatches {
                let [x, y, z] = (dispatch.grid)(shape);
                if x == 0 || y == 0 || z == 0 {
                    continue;
                }
                pass.set_pipeline(&dispatch.pipeline.raw);
                pass.set_bind_group(0, &dispatch.bind_group, &[]);
                pass.dispatch_workgroups(x, y, z);
                n_dispatches += 1;
                weight_bytes += (dispatch.weight_bytes)(shape);
                kv_bytes += (dispatch.kv_bytes)(shape);
            }
        }
        if let Some((from, to, n_bytes)) = copy {
            encoder.copy_buffer_to_buffer(&from.raw, 0, &to.raw, 0, n_bytes.next_multiple_of(4));
        }
        self.queue.submit([encoder.finish()]);
        self.counters.update(|c| {
            c.dispatches += n_dispatches;
            c.passes += 1;
            c.submits += 1;
            c.weight_bytes_read += weight_bytes;
            c.kv_bytes_read += kv_bytes;
        });
    }

    /// Copies the start of `source` into `readback`, in a submit of its own (not used while decoding).
    pub fn copy(&self, source: &GpuBuffer, readback: &GpuBuffer, n_bytes: u64) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("copy") });
        encoder.copy_buffer_to_buffer(&source.raw, 0, &readback.raw, 0, n_bytes.next_multiple_of(4));
        self.queue.submit([encoder.finish()]);
        self.counters.update(|c| c.submits += 1);
    }

    /// Waits until the first `n_bytes` of a read-back buffer are there and returns them.
    ///
    /// # Errors
    /// `device_lost`, or `gpu` if a call before it was refused.
    pub async fn read(&self, readback: &GpuBuffer, n_bytes: u64) -> Result<Vec<u8>> {
        let slice = readback.raw.slice(..n_bytes.next_multiple_of(4));
        let (sender, receiver) = futures_channel::oneshot::channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is gone only if the caller no longer waits.
            let _ = sender.send(result);
        });
        self.pump();
        let mapped = receiver.await;
        self.check()?;
        match mapped {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::new(ErrorKind::Gpu, format!("mapping {}: {error}", readback.label()))),
            Err(_) => return Err(Error::new(ErrorKind::DeviceLost, "the GPU went away while it was read")),
        }
        let view = slice
            .get_mapped_range()
            .map_err(|error| Error::new(ErrorKind::Gpu, format!("reading {}: {error}", readback.label())))?;
        let bytes = view[..n_bytes as usize].to_vec();
        drop(view);
        readback.raw.unmap();
        self.counters.update(|c| c.readback_bytes += n_bytes);
        Ok(bytes)
    }
}
