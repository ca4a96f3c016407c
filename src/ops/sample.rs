//! The next token, drawn on the GPU from the last row of logits. The reference is `crate::sampler`.

use std::rc::Rc;

use super::{Operand, dispatch};
use crate::gpu::params::params;
use crate::gpu::{DispatchSpec, Draw, Gpu, GpuBuffer, KernelSpec, Usage};
use crate::sampler::{SamplerOptions, mask_of, mask_words};

/// Slices that a row is scanned in.
const SLICES: u32 = 512;
/// Most tokens that the filters may keep on the GPU (`shaders/sample_filtered.wgsl`).
const MOST: u32 = 256;
/// Room for the tokens among which these are looked for.
const CANDIDATES: u32 = 1024;
/// Below this temperature the noise would be lost beside the logits in f32.
const MIN_TEMPERATURE: f32 = 0.01;
/// Places of the ring of drawn tokens.
pub const RING: u32 = 16;
/// Bytes of one place: (id, bits of its value, flags, position).
pub const RESULT_BYTES: u64 = 16;

const PENALTIES: u32 = 1;
const BIAS: u32 = 2;
const NOISE: u32 = 4;
const NORMALISER: u32 = 8;
const MASK: u32 = 16;

/// What a place of the ring says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// A token.
    Token(u32),
    /// A logit is not finite.
    NonFinite,
    /// The filters keep more than the GPU looks at, or bias and penalties leave no number: the CPU has to draw.
    OnCpu,
}

impl Drawn {
    /// Reads a place of the ring.
    pub fn read(bytes: &[u8]) -> Self {
        let word = |i: usize| u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]);
        match word(2) {
            0 => Self::Token(word(0)),
            flags if flags & 1 != 0 => Self::NonFinite,
            _ => Self::OnCpu,
        }
    }
}

/// The buffers of the draw, shared by all recordings of a model.
#[derive(Clone, Debug)]
pub struct Sampling {
    vocab_size: u32,
    options: Rc<GpuBuffer>,
    /// `[vocab_size]` floats, and a bit a token.
    bias: Rc<GpuBuffer>,
    counts: Rc<GpuBuffer>,
    slices: Rc<GpuBuffer>,
    list: Rc<GpuBuffer>,
    /// The drawn tokens; the one for position p is at p modulo [`RING`].
    pub ring: Rc<GpuBuffer>,
}

impl Sampling {
    /// Bytes of the buffers for a vocabulary.
    pub fn bytes(vocab_size: u32) -> u64 {
        u64::from(vocab_size) * 8
            + mask_bytes(vocab_size)
            + u64::from(SLICES + RING) * RESULT_BYTES
            + u64::from(CANDIDATES + MOST) * 8
            + size_of::<Options>() as u64
    }

    /// Makes the buffers for a vocabulary.
    pub fn new(gpu: &Gpu, vocab_size: u32) -> Self {
        let buffer = |name: &str, bytes: u64| Rc::new(gpu.create_buffer(name, bytes, Usage::Storage));
        Self {
            vocab_size,
            options: buffer("sampling.options", size_of::<Options>() as u64),
            bias: buffer("sampling.bias", u64::from(vocab_size) * 4 + mask_bytes(vocab_size)),
            counts: buffer("sampling.counts", u64::from(vocab_size) * 4),
            slices: buffer("sampling.slices", u64::from(SLICES) * RESULT_BYTES),
            list: buffer("sampling.list", u64::from(CANDIDATES + MOST) * 8),
            ring: buffer("sampling.ring", u64::from(RING) * RESULT_BYTES),
        }
    }

    /// Sets how tokens are drawn from now on. `history` is the text so far; its ids are within the vocabulary.
    pub fn set(&self, gpu: &Gpu, options: &SamplerOptions, history: &[u32]) {
        let penalties = options.has_penalties();
        let filtered = draw_of(options) == Draw::Filtered;
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let words = Options {
            flags: flag(penalties, PENALTIES)
                | flag(!options.logit_bias.is_empty(), BIAS)
                | flag(options.masked || !options.allowed_token_ids.is_empty(), MASK)
                | flag(options.temperature > 0.0 && !filtered, NOISE)
                | flag(filtered && options.top_k == 0 && options.top_p < 1.0, NORMALISER),
            top_k: options.top_k,
            top_p: options.top_p,
            min_p: options.min_p,
            sharpness: if options.temperature > 0.0 { 1.0 / options.temperature } else { 1.0 },
            repetition_penalty: options.repetition_penalty,
            frequency_penalty: options.frequency_penalty,
            presence_penalty: options.presence_penalty,
            seed_low: options.seed as u32,
            seed_high: (options.seed >> 32) as u32,
            pad: [0; 2],
        };
        gpu.write(&self.options, 0, bytemuck::bytes_of(&words));
        let vocab_size = self.vocab_size as usize;
        if penalties {
            let mut counts = vec![0u32; vocab_size];
            history.iter().for_each(|id| counts[*id as usize] += 1);
            gpu.write(&self.counts, 0, bytemuck::cast_slice(&counts));
        }
        if !options.logit_bias.is_empty() {
            let mut bias = vec![0f32; vocab_size];
            for (id, value) in &options.logit_bias {
                bias[*id as usize] += value;
            }
            gpu.write(&self.bias, 0, bytemuck::cast_slice(&bias));
        }
        if !options.allowed_token_ids.is_empty() && !options.masked {
            self.allow(gpu, &mask_of(&options.allowed_token_ids, vocab_size));
        }
    }

    /// Sets which tokens may be drawn next, where the options say that draws are masked: `[mask_words]`.
    pub fn allow(&self, gpu: &Gpu, mask: &[u32]) {
        gpu.write(&self.bias, u64::from(self.vocab_size) * 4, bytemuck::cast_slice(mask));
    }

    /// The dispatches that draw from the last row of `logits` and put the token into `step` and the ring.
    pub fn lower(&self, step: &Rc<GpuBuffer>, logits: &Operand) -> Vec<DispatchSpec> {
        let params = LogitParams { vocab_size: logits.width, x_stride: logits.stride, pad: [0; 2] };
        let buffer = |buffer: &Rc<GpuBuffer>| Rc::clone(buffer);
        let (options, x, bias) = (buffer(&self.options), buffer(&logits.buffer), buffer(&self.bias));
        let (counts, slices, ring) = (buffer(&self.counts), buffer(&self.slices), buffer(&self.ring));
        vec![
            dispatch(
                "sample",
                KernelSpec::new("sample_slices"),
                &params,
                vec![buffer(&options), buffer(&x), buffer(&bias), buffer(&counts), buffer(step), buffer(&slices)],
                Box::new(|s| [if s.draw == Draw::Nothing { 0 } else { SLICES / 32 }, 1, 1]),
            ),
            dispatch(
                "sample",
                KernelSpec::new("sample_best").constant("WORKGROUP", 32),
                &BestParams { pad: [0; 4] },
                vec![buffer(&options), buffer(&slices), buffer(step), buffer(&ring), buffer(&counts)],
                Box::new(|s| [u32::from(s.draw == Draw::Best), 1, 1]),
            ),
            dispatch(
                "sample",
                KernelSpec::new("sample_filtered").constant("WORKGROUP", 64),
                &params,
                vec![options, x, bias, counts, buffer(step), slices, ring, buffer(&self.list)],
                Box::new(|s| [u32::from(s.draw == Draw::Filtered), 1, 1]),
            ),
        ]
    }
}

fn mask_bytes(vocab_size: u32) -> u64 {
    mask_words(vocab_size as usize) as u64 * 4
}

/// Which kernels draw with these options: [`Draw::Nothing`] where only the CPU can.
pub fn draw_of(options: &SamplerOptions) -> Draw {
    let filtered = options.top_k > 0 || options.top_p < 1.0 || options.min_p > 0.0;
    if options.temperature == 0.0 {
        Draw::Best
    } else if options.temperature < MIN_TEMPERATURE || options.top_k > MOST {
        Draw::Nothing
    } else if filtered {
        Draw::Filtered
    } else {
        Draw::Best
    }
}

/// `struct Sampling` in `shaders/lib/sampling.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Options {
    flags: u32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    sharpness: f32,
    repetition_penalty: f32,
    frequency_penalty: f32,
    presence_penalty: f32,
    seed_low: u32,
    seed_high: u32,
    pad: [u32; 2],
}

params! {
    pub(super) struct LogitParams {
        vocab_size: u32,
        x_stride: u32,
        pad: [u32; 2],
    }
}

params! {
    pub(super) struct BestParams {
        pad: [u32; 4],
    }
}
