//! Exact counts of what is asked of the GPU: the budget of a token is a number of calls and bytes, not of milliseconds.

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;

/// A snapshot of the counters since the device was made. Differences of two snapshots tell what a token cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Compute dispatches.
    pub dispatches: u64,
    /// Compute passes.
    pub passes: u64,
    /// Queue submits.
    pub submits: u64,
    /// Buffers, bind groups, pipelines and shader modules created.
    pub created: u64,
    /// Kernels compiled.
    pub pipelines: u64,
    /// `writeBuffer` calls.
    pub buffer_writes: u64,
    /// Bytes that these wrote.
    pub bytes_written: u64,
    /// Bytes mapped back to the CPU.
    pub readback_bytes: u64,
    /// Bytes of weights that the dispatches read, each once, as their kernels declare.
    pub weight_bytes_read: u64,
    /// Bytes of keys and values that the attention dispatches read, as their kernels declare.
    pub kv_bytes_read: u64,
    /// Buffers alive now.
    pub live_objects: u64,
    /// Bytes of the buffers alive now.
    pub gpu_bytes: u64,
}

impl Counts {
    /// What was counted since `before`; what is alive, as it is now.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            dispatches: self.dispatches.saturating_sub(before.dispatches),
            passes: self.passes.saturating_sub(before.passes),
            submits: self.submits.saturating_sub(before.submits),
            created: self.created.saturating_sub(before.created),
            pipelines: self.pipelines.saturating_sub(before.pipelines),
            buffer_writes: self.buffer_writes.saturating_sub(before.buffer_writes),
            bytes_written: self.bytes_written.saturating_sub(before.bytes_written),
            readback_bytes: self.readback_bytes.saturating_sub(before.readback_bytes),
            weight_bytes_read: self.weight_bytes_read.saturating_sub(before.weight_bytes_read),
            kv_bytes_read: self.kv_bytes_read.saturating_sub(before.kv_bytes_read),
            live_objects: self.live_objects,
            gpu_bytes: self.gpu_bytes,
        }
    }
}

/// The live counters, shared by everything that talks to one device.
#[derive(Clone, Debug, Default)]
pub struct Counters(Rc<Cell<Counts>>);

impl Counters {
    /// The counts now.
    pub fn get(&self) -> Counts {
        self.0.get()
    }

    /// Changes the counts.
    pub(super) fn update(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.0.get();
        change(&mut counts);
        self.0.set(counts);
    }
}
