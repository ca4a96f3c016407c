//! The GPU: device, buffers, shaders, pipelines, recordings. No wgpu type leaves this room; every submit and every wait
//! passes [`queue`].

pub mod buffer;
mod compile;
pub mod counters;
mod cpu_repack;
pub mod device;
mod faults;
mod inject;
pub mod params;
pub mod pipeline;
pub mod queue;
pub mod replay;
mod row_take;
pub mod shader;
mod trial;
pub mod upload;

pub use buffer::{GpuBuffer, Usage};
pub use counters::{Counters, Counts};
pub use device::{Capabilities, Gpu};
pub use pipeline::{KernelSpec, is_of_kernel};
pub use queue::{Copy, PendingRead};
pub use replay::{DispatchSpec, Draw, Recording, StepShape};
