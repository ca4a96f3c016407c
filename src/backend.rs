//! Runs steps of a model: on the GPU, or on the CPU references.

mod adapted;
mod gpu_encoder;
mod gpu_model;
mod pace;
mod planned;
mod profile;
mod step;

use std::rc::Rc;

use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::graph::reference::ReferenceModel;
use crate::graph::weights::GpuWeights;
use crate::graph::{CacheLayer, Graph};
use crate::ops::sample::Drawn;
use crate::ops::{KvFormat, STATE_POSITIONS, StepRow};
use crate::sampler::SamplerOptions;
use crate::weights::Cancel;

pub use crate::graph::{Adapter, Kind};
pub use gpu_encoder::GpuEncoder;
pub use gpu_model::GpuModel;
pub(crate) use gpu_model::MAX_AHEAD;
pub use planned::PlannedModel;
pub use profile::KernelTime;

/// Rows of a prefill step. A step is what an abort waits for.
pub const PREFILL_ROWS: usize = 64;
/// Rows of logits that one step gives at most.
pub const MAX_OUTPUTS: usize = 16;
/// Bytes of a KV cache up to which it is kept in f32 where the caller leaves the choice (see [`kv_format`]).
const SMALL_KV_BYTES: u64 = 32 << 20;

/// The model on the device that computes it.
pub enum Backend {
    /// WebGPU (natively: Vulkan).
    Gpu(Box<GpuModel>),
    /// The same of a model that only reads.
    GpuEncoder(Box<GpuEncoder>),
    /// The CPU references: slow, and right by definition.
    Reference(Box<ReferenceModel>),
}

impl Backend {
    /// A model on the GPU whose weights have come. `run_ahead` fixes how many tokens are computed before the CPU has seen the
    /// one before them.
    ///
    /// # Errors
    /// `gpu`.
    pub fn on_gpu(gpu: Rc<Gpu>, planned: PlannedModel, weights: GpuWeights, run_ahead: Option<usize>) -> Result<Self> {
        let PlannedModel { decoder, encoder, tables } = planned;
        Ok(match (decoder, encoder) {
            (Some(decoder), encoder) => {
                Self::Gpu(Box::new(GpuModel::new(gpu, decoder, encoder, (tables, weights), run_ahead)?))
            }
            (None, Some(encoder)) => Self::GpuEncoder(Box::new(GpuEncoder::new(gpu, encoder, tables, weights)?)),
            (None, None) => return Err(Error::internal("a model of nothing")),
        })
    }

    /// What the model is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Gpu(model) if model.has_encoder() => Kind::EncoderDecoder,
            Self::Gpu(_) => Kind::Decoder,
            Self::GpuEncoder(_) => Kind::Encoder,
            Self::Reference(model) => model.kind(),
        }
    }

    /// What a text comes to, its rows' mean and the first of them: `[2, hidden_size]`.
    ///
    /// # Errors
    /// `internal` if the model is no encoder; `aborted`, `device_lost`, `gpu`.
    pub async fn pooled(&mut self, rows: &[StepRow], cancel: &Cancel) -> Result<Vec<f32>> {
        match self {
            Self::Gpu(_) => Err(Error::internal("a decoder does not pool")),
            Self::GpuEncoder(model) => model.pooled(rows, cancel).await,
            Self::Reference(model) => Ok(model.pooled(rows)?.data),
        }
    }

    /// Reads the text that is to be answered, where an encoder does that.
    ///
    /// # Errors
    /// `internal` if none does; `aborted`, `device_lost`, `gpu`.
    pub async fn read_source(&mut self, rows: &[StepRow], cancel: &Cancel) -> Result<()> {
        match self {
            Self::Gpu(model) => model.read_source(rows, cancel).await,
            Self::GpuEncoder(_) => Err(no_decoder()),
            Self::Reference(model) => model.read(rows).map(drop),
        }
    }

    /// Sets how tokens are drawn from now on, after `history`. Gives whether [`Backend::draw`] can: where not, the caller
    /// draws from [`Backend::logits`].
    pub fn begin(&mut self, options: &SamplerOptions, history: &[u32]) -> bool {
        match self {
            Self::Gpu(model) => model.begin(options, history),
            Self::GpuEncoder(_) | Self::Reference(_) => false,
        }
    }

    /// Sets which tokens the next draw may take, where [`SamplerOptions::masked`] says that there is a mask.
    pub fn allow(&mut self, mask: &[u32]) {
        if let Self::Gpu(model) = self {
            model.allow(mask);
        }
    }

    /// Runs rows whose logits nobody wants.
    ///
    /// # Errors
    /// `aborted` soon after `cancel` fired, within a step; `device_lost`, `gpu`.
    pub async fn feed(&mut self, rows: &[StepRow], cancel: &Cancel) -> Result<()> {
        match self {
            Self::Gpu(model) => model.feed(rows, cancel).await,
            Self::GpuEncoder(_) => Err(no_decoder()),
            Self::Reference(model) => model.step(rows, 0).map(drop),
        }
    }

    /// Runs rows and draws the token after the last. Up to `ahead` further tokens, which the caller will want unless this one
    /// ends its text, may be computed meanwhile.
    ///
    /// # Errors
    /// `non_finite` if a logit is not finite; `aborted`, `device_lost`, `gpu`.
    pub async fn draw(&mut self, rows: &[StepRow], ahead: usize, cancel: &Cancel) -> Result<Drawn> {
        match self {
            Self::Gpu(model) => model.draw(rows, ahead, cancel).await,
            Self::GpuEncoder(_) => Err(no_decoder()),
            Self::Reference(_) => Ok(Drawn::OnCpu),
        }
    }

    /// Runs rows and returns the logits of the last `n_outputs`: `[n_outputs, vocab_size]`.
    ///
    /// # Errors
    /// `aborted`, `device_lost`, `gpu`.
    pub async fn logits(&mut self, rows: &[StepRow], n_outputs: usize, cancel: &Cancel) -> Result<Vec<f32>> {
        match self {
            Self::Gpu(model) => model.logits(rows, n_outputs, cancel).await,
            Self::GpuEncoder(_) => Err(no_decoder()),
            Self::Reference(model) => Ok(model.step(rows, n_outputs)?.data),
        }
    }

    /// The graph whose weights are stored, which adapters are planned for.
    ///
    /// # Errors
    /// `unsupported` for models that read a text: adapters of these are not applied.
    pub fn adaptable(&self) -> Result<Rc<Graph>> {
        match self {
            Self::Gpu(model) if !model.has_encoder() => Ok(Rc::clone(model.graph())),
            Self::Reference(model) if model.kind() == Kind::Decoder => Ok(Rc::clone(model.graph())),
            _ => {
                let message =
                    "adapters are applied to models that go on with a text, not to encoders and what answers them";
                Err(Error::unsupported("an adapter for an encoder", message))
            }
        }
    }

    /// Takes these adapters, with their scales, in the place of those that were there. What is cached is of no use then.
    ///
    /// # Errors
    /// `out_of_memory`, `device_lost`, `gpu`: then there are none.
    pub async fn use_adapters(&mut self, adapters: &[(Rc<Adapter>, f32)]) -> Result<()> {
        match self {
            Self::Gpu(model) => model.use_adapters(adapters).await,
            Self::GpuEncoder(_) => Ok(()),
            Self::Reference(model) => {
                model.use_adapters(adapters);
                Ok(())
            }
        }
    }

    /// Frees what was made to use an adapter.
    pub fn forget_adapter(&mut self, adapter: &Rc<Adapter>) {
        if let Self::Gpu(model) = self {
            model.forget_adapter(adapter);
        }
    }

    /// How many positions a sequence can go back, where layers have states; otherwise to anywhere. Up to that many may be
    /// computed ahead without harm.
    pub fn goes_back(&self) -> Option<usize> {
        let has_states = match self {
            Self::Gpu(model) => model.has_states(),
            Self::GpuEncoder(_) => false,
            Self::Reference(model) => model.has_states(),
        };
        has_states.then_some(STATE_POSITIONS as usize - 1)
    }

    /// Keeps a copy of the layers' states as they are after the last step.
    pub fn keep_states(&mut self) {
        match self {
            Self::Gpu(model) => model.keep_states(),
            Self::GpuEncoder(_) => {}
            Self::Reference(model) => model.keep_states(),
        }
    }

    /// Goes back to the states that were kept.
    pub fn restore_states(&mut self) {
        match self {
            Self::Gpu(model) => model.restore_states(),
            Self::GpuEncoder(_) => {}
            Self::Reference(model) => model.restore_states(),
        }
    }

    /// Times kernels one by one, as in a step at `position`; none on the CPU, and none of encoders. What is cached is lost.
    ///
    /// # Errors
    /// `device_lost`, `gpu`.
    pub async fn profile(&mut self, position: u32) -> Result<Vec<KernelTime>> {
        match self {
            Self::Gpu(model) => model.profile(position).await,
            Self::GpuEncoder(_) | Self::Reference(_) => Ok(Vec::new()),
        }
    }

    /// Sequences of more tokens than this take other rotary tables ([`Backend::use_rope_tables`]).
    pub fn long_from(&self) -> Option<u32> {
        match self {
            Self::Gpu(model) => model.long_from(),
            Self::GpuEncoder(_) => None,
            Self::Reference(model) => model.long_from(),
        }
    }

    /// Changes to the rotary tables of long sequences, or back to those of others. What is cached is of no use then.
    pub fn use_rope_tables(&mut self, long: bool) {
        match self {
            Self::Gpu(model) => model.use_rope_tables(long),
            Self::GpuEncoder(_) => {}
            Self::Reference(model) => model.exchange_rope_tables(),
        }
    }

    /// The dispatches of one decoded token, value and kernel; none on the CPU.
    pub fn decode_labels(&self) -> Vec<String> {
        match self {
            Self::Gpu(model) => model.decode_labels(),
            Self::GpuEncoder(_) | Self::Reference(_) => Vec::new(),
        }
    }
}

fn no_decoder() -> Error {
    Error::internal("an encoder does not decode")
}

/// The error for logits that are no numbers.
pub fn non_finite() -> Error {
    Error::new(
        ErrorKind::NonFinite,
        "the model computes NaN or infinity: its weights are damaged or the GPU computes wrongly",
    )
}

/// How to keep keys and values when the caller leaves it open: half floats, except where the whole cache in f32 is small,
/// or where a software adapter computes, to which unpacking halves is dearer than memory. Half floats cost up to 5e-2 in a
/// logit of SmolLM2, and halve the memory that grows with the context.
pub fn kv_format(caches: &[CacheLayer], capacity: u32, gpu: Option<&Gpu>) -> KvFormat {
    let on_cpu = gpu.is_none_or(|gpu| gpu.capabilities().is_fallback);
    let small = kv_bytes(caches, capacity, KvFormat::F32) <= SMALL_KV_BYTES;
    if on_cpu || small { KvFormat::F32 } else { KvFormat::F16 }
}

/// Bytes of keys and values for one sequence of `capacity` positions.
pub fn kv_bytes(caches: &[CacheLayer], capacity: u32, format: KvFormat) -> u64 {
    let layer = |layer: &CacheLayer| layer_bytes(layer, capacity, format).saturating_mul(2);
    caches.iter().map(layer).fold(0, u64::saturating_add)
}

fn layer_bytes(layer: &CacheLayer, capacity: u32, format: KvFormat) -> u64 {
    u64::from(layer.kv_heads) * u64::from(capacity) * u64::from(layer.head_dim.next_multiple_of(4)) * format.bytes()
}
