//! Dimensions that decoders have, and what follows from them: widths, masks, rotary parts.

use crate::error::{Error, Result};
use crate::graph::record::AttentionSpec;
use crate::ops::attention::Mask;

/// Most layers: as `format/` takes them.
const MAX_LAYERS: u32 = 1024;

/// Dimensions that every decoder has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dims {
    pub vocab_size: u32,
    pub hidden_size: u32,
    pub layers: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub max_position_embeddings: u32,
}

impl Dims {
    /// The same, once more looked at.
    pub fn checked(self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }

    pub(super) fn check(&self) -> Result<()> {
        let Self { vocab_size, hidden_size, layers, heads, kv_heads, head_dim, .. } = *self;
        if layers > MAX_LAYERS {
            return Err(Error::bad_file(format!("{layers} layers are more than a model can have")));
        }
        if [vocab_size, hidden_size, layers, heads, kv_heads, head_dim].contains(&0) {
            return Err(Error::bad_file("the model's configuration has a dimension of 0"));
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(Error::bad_file(format!("{heads} attention heads cannot share {kv_heads} key/value heads")));
        }
        // Three times as many values as queries have, side by side, must be countable.
        if heads.checked_mul(head_dim).and_then(|n| n.checked_mul(4)).is_none() {
            return Err(Error::bad_file(format!(
                "{heads} attention heads of {head_dim} values are more than a model can have"
            )));
        }
        Ok(())
    }

    /// The same where every head has keys and values of its own, whatever a configuration says.
    pub fn ungrouped(self) -> Self {
        Self { kv_heads: self.heads, ..self }
    }

    pub fn q_width(&self) -> u32 {
        self.heads * self.head_dim
    }

    pub fn kv_width(&self) -> u32 {
        self.kv_heads * self.head_dim
    }

    /// Causal attention with scores divided by the root of the head's length (Vaswani et al. 2017, eq. 1).
    pub fn attention(&self) -> AttentionSpec {
        let Self { heads, kv_heads, head_dim, .. } = *self;
        let scale = f64::from(head_dim).powf(-0.5) as f32;
        let mask = Mask::Causal;
        AttentionSpec {
            heads,
            kv_heads,
            head_dim,
            scale,
            mask,
            soft_cap: 0.0,
            alibi: 0.0,
            alibi_bf16: false,
            bias: None,
            sinks: None,
        }
    }

    /// The mask of a layer that looks back over `window` positions, itself included.
    pub fn window(&self, window: Option<u32>) -> Mask {
        window.filter(|n| (1..self.max_position_embeddings).contains(n)).map_or(Mask::Causal, Mask::Window)
    }

    /// `int(head_dim · factor)`; a factor that was written as a quotient may lie a rounding below it.
    pub fn rotary_dim(&self, factor: f64) -> Result<u32> {
        if !(0.0..=1.0).contains(&factor) {
            return Err(Error::bad_file(format!("partial_rotary_factor must be between 0 and 1, not {factor}")));
        }
        let rotary_dim = (f64::from(self.head_dim) * factor + 1e-6) as u32;
        if !rotary_dim.is_multiple_of(2) {
            let what = format!("{rotary_dim} rotary dimensions in heads of {}", self.head_dim);
            return Err(Error::unsupported(what.clone(), format!("{what}: doran rotates values in pairs")));
        }
        Ok(rotary_dim)
    }
}
