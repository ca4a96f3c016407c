//! Everything that is sent to the GPU: writes, submits, read-backs. The only file that submits.

use std::ops::Range;

use super::buffer::GpuBuffer;
use super::device::Gpu;
use super::replay::{Recording, StepShape};
use crate::error::{Error, ErrorKind, Result};

impl Gpu {
    /// Writes CPU bytes; `bytes` is padded to whole words.
    pub fn write(&self, buffer: &GpuBuffer, offset: u64, bytes: &[u8]) {
        self.operation();
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

    /// Submits these dispatches of a step in one compute pass, then a copy for the CPU.
    pub fn submit(&self, recording: &Recording, range: Range<usize>, shape: &StepShape, copy: Option<Copy<'_>>) {
        self.submit_each(recording, &mut range.into_iter(), shape, copy);
    }

    /// The same for dispatches in any order and number.
    pub fn submit_each(
        &self,
        recording: &Recording,
        which: &mut dyn Iterator<Item = usize>,
        shape: &StepShape,
        copy: Option<Copy<'_>>,
    ) {
        self.operation();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("step") });
        let mut n_dispatches = 0;
        let (mut weight_bytes, mut kv_bytes) = (0, 0);
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in which.map(|i| &recording.dispatches[i]) {
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
        if let Some(Copy { source, offset, readback, n_bytes }) = copy {
            let n_bytes = n_bytes.next_multiple_of(4);
            encoder.copy_buffer_to_buffer(&source.raw, offset, &readback.raw, 0, n_bytes);
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
        self.operation();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("copy") });
        encoder.copy_buffer_to_buffer(&source.raw, 0, &readback.raw, 0, n_bytes.next_multiple_of(4));
        self.queue.submit([encoder.finish()]);
        self.counters.update(|c| c.submits += 1);
    }

    /// Copies each first buffer into the second, which is as long, in one submit.
    pub fn copy_all<'a>(&self, pairs: impl Iterator<Item = (&'a GpuBuffer, &'a GpuBuffer)>) {
        self.operation();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("copies") });
        for (source, to) in pairs {
            encoder.copy_buffer_to_buffer(&source.raw, 0, &to.raw, 0, source.bytes());
        }
        self.queue.submit([encoder.finish()]);
        self.counters.update(|c| c.submits += 1);
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// `device_lost`, or `gpu` if a call before it was refused.
    pub async fn done(&self) -> Result<()> {
        let (sender, receiver) = futures_channel::oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            // The receiver is gone only if the caller no longer waits.
            let _ = sender.send(());
        });
        self.pump();
        // A device that goes away may never call back; then the sender is dropped.
        let _ = receiver.await;
        self.check()
    }

    /// Waits until the first `n_bytes` of a read-back buffer are there and returns them.
    ///
    /// # Errors
    /// `device_lost`, or `gpu` if a call before it was refused.
    pub async fn read(&self, readback: &GpuBuffer, n_bytes: u64) -> Result<Vec<u8>> {
        let pending = self.start_read(readback, n_bytes);
        self.finish_read(readback, pending).await
    }

    /// Asks for the first `n_bytes` of a read-back buffer, as what was submitted so far leaves them.
    pub fn start_read(&self, readback: &GpuBuffer, n_bytes: u64) -> PendingRead {
        self.operation();
        let (sender, mapped) = futures_channel::oneshot::channel();
        readback.raw.slice(..n_bytes.next_multiple_of(4)).map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is gone only if the caller no longer waits.
            let _ = sender.send(result);
        });
        PendingRead { mapped, there: None, n_bytes }
    }

    /// Waits for what [`Gpu::start_read`] asked for.
    ///
    /// # Errors
    /// `device_lost`, or `gpu` if a call before it was refused.
    pub async fn finish_read(&self, readback: &GpuBuffer, pending: PendingRead) -> Result<Vec<u8>> {
        self.pump();
        let PendingRead { mapped, there, n_bytes } = pending;
        let mapped = match there {
            Some(result) => Ok(result),
            None => mapped.await,
        };
        if let Err(error) = self.check() {
            // Whoever goes on copies into it again, which a mapped buffer refuses.
            readback.raw.unmap();
            return Err(error);
        }
        match mapped {
            Ok(Ok(())) => {}
            // Nothing else makes reading fail: buffers live while they are read, and their sizes are ours.
            Ok(Err(_)) | Err(_) => {
                return Err(Error::new(ErrorKind::DeviceLost, "the GPU went away while it was read"));
            }
        }
        let view = readback
            .raw
            .slice(..n_bytes.next_multiple_of(4))
            .get_mapped_range()
            .map_err(|error| Error::new(ErrorKind::Gpu, format!("reading {}: {error}", readback.label())))?;
        let bytes = view[..n_bytes as usize].to_vec();
        drop(view);
        readback.raw.unmap();
        self.counters.update(|c| c.readback_bytes += n_bytes);
        Ok(bytes)
    }
}

/// A copy at the end of a submit, for the CPU to read.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// Where from.
    pub source: &'a GpuBuffer,
    /// Byte of the source where the copy starts.
    pub offset: u64,
    /// Where to, from its start.
    pub readback: &'a GpuBuffer,
    /// How much.
    pub n_bytes: u64,
}

/// Bytes on their way to the CPU.
#[derive(Debug)]
pub struct PendingRead {
    mapped: futures_channel::oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
    /// What came, once it was looked at.
    there: Option<Result<(), wgpu::BufferAsyncError>>,
    n_bytes: u64,
}

impl PendingRead {
    /// Whether the bytes are there already.
    pub fn is_there(&mut self) -> bool {
        if self.there.is_none() {
            self.there = self.mapped.try_recv().ok().flatten();
        }
        self.there.is_some()
    }
}
