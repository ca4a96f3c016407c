//! RWKV-4 (Peng et al. 2023; Hugging Face `modeling_rwkv.py`): averages of values by decaying keys in the place of attention,
//! and an MLP with a gate; both look at a mixture of the token and the one before.

use super::Limits;
use super::config::{Config, Dims, Head};
use crate::error::Result;
use crate::format::Checkpoint;
use crate::graph::Graph;
use crate::graph::record::Recorder;
use crate::ops::elementwise::Function;

/// Records the model.
///
/// # Errors
/// `bad_file` or `unsupported`, naming the key or tensor.
pub(super) fn record(checkpoint: &Checkpoint) -> Result<(Graph, Limits)> {
    let config = Config::new(checkpoint);
    let dims = config.dims_without_heads()?;
    let Dims { vocab_size, hidden_size, .. } = dims;
    let channels = config.u32_or("attention_hidden_size", hidden_size)?;
    let intermediate_size = config.u32_or("intermediate_size", hidden_size.saturating_mul(4))?;
    let eps = config.f32_or("layer_norm_eps", 1e-5)?;
    // The residual stream is halved every so many layers, and what is added to it likewise: for f16, but norms notice.
    let halved =
        config.get("rescale_every").map_or(Some(6), |value| value.as_u64()).and_then(|n| u32::try_from(n).ok());
    let halved = halved.filter(|n| *n > 0).unwrap_or(u32::MAX);
    let mut g = Recorder::new(checkpoint);

    let x = g.embedding("rwkv.embeddings", vocab_size, hidden_size)?;
    let mut x = g.layer_norm("rwkv.blocks.0.pre_ln", x, eps, true)?;
    for layer in 0..dims.layers {
        let name = |module: &str| format!("rwkv.blocks.{layer}.{module}");
        let factor = 0.5f32.powi((layer / halved) as i32);

        // Time mixing
        let h = g.layer_norm(&name("ln1"), x, eps, true)?;
        let mut mixed = |module: &str| {
            let h = g.token_shift(&name(&format!("attention.time_mix_{module}")), h)?;
            g.linear(&name(&format!("attention.{module}")), h, channels, false)
        };
        let (k, v, r) = (mixed("key")?, mixed("value")?, mixed("receptance")?);
        let h = g.wkv(&name("attention"), [k, v])?;
        let r = g.activation(Function::Sigmoid, r);
        let h = g.mul(r, h);
        let h = g.linear(&name("attention.output"), h, hidden_size, false)?;
        x = g.add_scaled(x, h, factor);

        // Channel mixing
        let h = g.layer_norm(&name("ln2"), x, eps, true)?;
        let k = g.token_shift(&name("feed_forward.time_mix_key"), h)?;
        let r = g.token_shift(&name("feed_forward.time_mix_receptance"), h)?;
        let k = g.linear(&name("feed_forward.key"), k, intermediate_size, false)?;
        let k = g.activation(Function::SquaredRelu, k);
        let v = g.linear(&name("feed_forward.value"), k, hidden_size, false)?;
        let r = g.linear(&name("feed_forward.receptance"), r, hidden_size, false)?;
        let r = g.activation(Function::Sigmoid, r);
        let h = g.mul(r, v);
        x = g.add_scaled(x, h, factor);
        if (layer + 1).is_multiple_of(halved) {
            x = g.scale(x, 0.5);
        }
    }
    let x = g.select_outputs(x);
    let x = g.layer_norm("rwkv.ln_out", x, eps, true)?;
    config.finish(g, &dims, x, Head { embedding: "rwkv.embeddings", module: "head", ..Head::USUAL })
}
