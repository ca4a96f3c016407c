//! Llama (Touvron et al. 2023; Hugging Face `modeling_llama.py`), and what is built of the same blocks: Llama 2 and 3,
//! SOLAR, HyperCLOVA X SEED, SmolLM2; Mistral with its sliding window (`modeling_mistral.py`), SmolLM3 with layers that do not
//! rotate (`modeling_smollm3.py`), Qwen 2 with biases of q, k and v (`modeling_qwen2.py`), Qwen 3 with norms of each head's q
//! and k (`modeling_qwen3.py`).
//!
//! A block is attention and a gated MLP, each after a norm, each added to the residual stream:
//! `x += o_proj(attention(q, k, v)); x += down_proj(silu(gate_proj(h)) · up_proj(h))`.

use super::Limits;
use super::blocks::{attend, gated_mlp, qkv};
use super::config::{Config, Dims, Head};
use super::mixture::Mixture;
use super::rope;
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::{AttentionSpec, NormSpec, Recorder};

/// What the relatives differ in.
pub(super) struct Variant {
    pub dims: Dims,
    pub rope_theta: f64,
    pub eps: f32,
    /// Whether q, k and v have a bias, and the output projection.
    pub biases: (bool, bool),
    pub mlp_bias: bool,
    /// Width of the MLP where the configuration does not say.
    pub intermediate_size: Option<u32>,
    /// Experts in the place of some layers' MLP.
    pub mixture: Option<Mixture>,
    /// Whether q and k are normed head by head.
    pub qk_norm: bool,
    /// How many positions a layer looks back, if not at all.
    pub window: Option<u32>,
    /// Layers that look back over the window.
    pub sliding: Vec<bool>,
    /// Layers that rotate q and k.
    pub rotated: Vec<bool>,
    pub tied: bool,
}

impl Variant {
    /// Llama's own.
    pub fn new(config: Config<'_>, dims: Dims) -> Result<Self> {
        let bias = config.bool_or("attention_bias", false)?;
        let all = vec![true; dims.layers as usize];
        Ok(Self {
            dims,
            rope_theta: 10_000.0,
            eps: 1e-6,
            biases: (bias, bias),
            mlp_bias: config.bool_or("mlp_bias", false)?,
            intermediate_size: None,
            mixture: None,
            qk_norm: false,
            window: None,
            sliding: all.clone(),
            rotated: all,
            tied: false,
        })
    }

    /// Windows as Qwen and SmolLM3 switch them on, by default in the layers that `sliding` gives.
    pub fn slides(self, config: Config<'_>, window: Option<u32>, sliding: impl Fn(u32) -> bool) -> Result<Self> {
        let on = config.bool_or("use_sliding_window", false)?;
        let window = if config.has("sliding_window") { config.optional("sliding_window")? } else { window };
        let window = window.filter(|_| on);
        let sliding = config.sliding_layers(&self.dims, |layer| window.is_some() && sliding(layer))?;
        Ok(Self { window, sliding, ..self })
    }
}

/// Records a Llama.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn llama(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(None, None)?;
    record(checkpoint, &Variant::new(config, dims)?)
}

/// Records a Mistral: every layer looks back over the window.
pub(super) fn mistral(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let variant = Variant::new(config, config.dims(Some(8), None)?)?;
    let window = if config.has("sliding_window") { config.optional("sliding_window")? } else { Some(4096) };
    record(checkpoint, &Variant { window, biases: (false, false), mlp_bias: false, ..variant })
}

/// Records a Qwen 2.
pub(super) fn qwen2(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let variant = Variant::new(config, config.dims(Some(32), None)?)?;
    let full = config.u32_or("max_window_layers", 28)?;
    let variant = variant.slides(config, Some(4096), |layer| layer >= full)?;
    record(checkpoint, &Variant { biases: (true, false), mlp_bias: false, ..variant })
}

/// Records a Qwen 3.
pub(super) fn qwen3(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let variant = Variant::new(config, config.dims(Some(32), Some(128))?)?;
    let full = config.u32_or("max_window_layers", 28)?;
    let variant = variant.slides(config, Some(4096), |layer| layer >= full)?;
    record(checkpoint, &Variant { qk_norm: true, mlp_bias: false, ..variant })
}

/// Records a SmolLM3: every fourth layer does not rotate, or those that `no_rope_layers` has a 0 for.
pub(super) fn smollm3(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims(Some(4), None)?;
    let interval = config.u32_or("no_rope_layer_interval", 4)?.max(1);
    let mut rotated: Vec<bool> = (1..=dims.layers).map(|layer| layer % interval != 0).collect();
    if let Some(list) = config.list("no_rope_layers")? {
        for (rotates, value) in rotated.iter_mut().zip(list) {
            *rotates = value.as_u64() != Some(0);
        }
    }
    let variant = Variant::new(config, dims)?;
    let variant = variant.slides(config, None, |layer| !rotated.get(layer as usize).copied().unwrap_or(true))?;
    record(checkpoint, &Variant { rotated, rope_theta: 2e6, tied: true, ..variant })
}

/// Records a model of these blocks.
pub(super) fn record(checkpoint: &Checkpoint, variant: &Variant) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = &variant.dims;
    let Dims { hidden_size, heads, kv_heads, .. } = *dims;
    let intermediate_size = match variant.intermediate_size {
        Some(default) => config.u32_or("intermediate_size", default)?,
        None => config.u32("intermediate_size")?,
    };
    let eps = config.f32_or("rms_norm_eps", variant.eps)?;
    let act = config.activation("silu")?;
    let rotary_dim = dims.rotary_dim(config.f64_or("partial_rotary_factor", 1.0)?)?;
    let mut g = Recorder::new(checkpoint);
    let table = rope::table(&mut g, config, dims, rotary_dim, ("full_attention", variant.rope_theta))?;

    let mut x = g.embedding("model.embed_tokens", dims.vocab_size, hidden_size)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("model.layers.{layer}.{module}");
        let mask = dims.window(variant.window.filter(|_| variant.sliding[layer as usize]));
        let rope = Some(table).filter(|_| variant.rotated[layer as usize]);

        // Attention
        let h = g.rms_norm(&name("input_layernorm"), x, eps)?;
        let [mut q, mut k, v] = qkv(&mut g, &name("self_attn"), h, dims, variant.biases.0, 0)?;
        if variant.qk_norm {
            q = g.norm(&name("self_attn.q_norm"), q, NormSpec::rms_of_heads(heads, eps))?;
            k = g.norm(&name("self_attn.k_norm"), k, NormSpec::rms_of_heads(kv_heads, eps))?;
        }
        let spec = AttentionSpec { mask, ..dims.attention() };
        let h = attend(&mut g, &name("self_attn"), [q, k, v], rope, spec)?;
        let h = g.linear(&name("self_attn.o_proj"), h, hidden_size, variant.biases.1)?;
        x = g.add(x, h);

        // MLP
        let h = g.rms_norm(&name("post_attention_layernorm"), x, eps)?;
        if let Some(mixture) = variant.mixture.as_ref().filter(|mixture| mixture.layers[layer as usize]) {
            x = mixture.add(&mut g, &format!("model.layers.{layer}"), [x, h], act, hidden_size)?;
            continue;
        }
        let h = gated_mlp(&mut g, &name("mlp"), h, act, [intermediate_size, hidden_size], variant.mlp_bias)?;
        x = g.add(x, h);
    }
    let x = g.select_outputs(x);
    let x = g.rms_norm("model.norm", x, eps)?;
    config.finish(g, dims, x, Head { tied: variant.tied, ..Head::USUAL })
}
