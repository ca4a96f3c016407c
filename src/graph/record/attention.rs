//! The words for attention: what goes into caches, who looks at them, and what distances add.

use super::{Recorder, Var, short};
use crate::error::{Error, Result};
use crate::gpu::upload::RowTake;
use crate::graph::{BiasTable, CacheLayer, Node};
use crate::ops::Op;
use crate::ops::attention::{Attention, MAX_HEAD_DIM, Mask, PositionBias};
use crate::ops::kv_write::KvWrite;

/// Most heads: attention has a workgroup for each.
const MAX_HEADS: u32 = 65_535;

/// Largest distance with a bias of its own, and most buckets.
const MAX_REACH: u32 = 1 << 12;

/// Dimensions of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionSpec {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Values in a head.
    pub head_dim: u32,
    /// Factor on `q · k`.
    pub scale: f32,
    /// Which positions count.
    pub mask: Mask,
    /// See [`Attention::soft_cap`].
    pub soft_cap: f32,
    /// See [`Attention::alibi`].
    pub alibi: f32,
    /// See [`Attention::alibi_bf16`].
    pub alibi_bf16: bool,
    /// See [`Attention::bias`].
    pub bias: Option<PositionBias>,
    /// See [`Attention::sinks`].
    pub sinks: Option<usize>,
}

/// How distances share biases: see [`BiasTable`].
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    /// Buckets.
    pub num_buckets: u32,
    /// Distance from which all share one.
    pub max_distance: u32,
    /// Whether keys after the query have buckets too.
    pub bidirectional: bool,
}

impl Recorder<'_> {
    /// Declares a table of biases by distance, `{module}.weight`: `[num_buckets, heads]`.
    ///
    /// # Errors
    /// `bad_file` if the weight is missing or has another shape, or if distances have no buckets; `unsupported` for more biases
    /// than kernels take.
    pub fn bias_table(&mut self, module: &str, heads: u32, buckets: Buckets) -> Result<PositionBias> {
        let Buckets { num_buckets, max_distance, bidirectional } = buckets;
        let exact = num_buckets / if bidirectional { 4 } else { 2 };
        if exact == 0 || max_distance <= exact || max_distance > MAX_REACH || num_buckets > MAX_REACH {
            let message = format!("{num_buckets} buckets for distances up to {max_distance}");
            return Err(Error::bad_file(message).with("key", "relative_attention_num_buckets"));
        }
        // Kernels count the biases of all heads in f32 (`shaders/score/biased.wgsl`).
        if u64::from(heads) * (2 * u64::from(max_distance) + 1) > 1 << f32::MANTISSA_DIGITS {
            let what = format!("biases of {heads} heads for distances up to {max_distance}");
            return Err(Error::unsupported(what.clone(), format!("{what} are more than doran takes")));
        }
        let len = num_buckets.saturating_mul(heads);
        let weight = self.weight(&format!("{module}.weight"), 1, len, RowTake::all(len), true)?;
        self.graph.bias_tables.push(BiasTable { weight, heads, num_buckets, max_distance, bidirectional });
        Ok(PositionBias { table: self.graph.bias_tables.len() - 1, reach: max_distance })
    }

    /// Attention of `q` over `k`, `v` of this and other rows of the sequence, as the mask says, which go into the layer's
    /// cache. `q: [tokens, heads · head_dim]`, `k, v: [tokens, kv_heads · head_dim]` → the shape of `q`.
    ///
    /// # Errors
    /// `unsupported` for heads that no kernel takes, longer or more of them.
    pub fn attention(&mut self, name: &str, [q, k, v]: [Var; 3], spec: AttentionSpec) -> Result<Var> {
        let layer = self.write_kv(k, v, spec);
        self.attention_over(name, q, layer, spec)
    }

    /// Keys and values for [`Recorder::attention_over`]: `k, v: [tokens, kv_heads · head_dim]` → the cache that they are in.
    pub fn write_kv(&mut self, k: Var, v: Var, AttentionSpec { kv_heads, head_dim, mask, .. }: AttentionSpec) -> usize {
        let cache = CacheLayer { kv_heads, head_dim };
        // Of a text that is read at once, nobody looks back at a layer's keys after that layer.
        let passes = mask == Mask::All && self.source;
        let layer = match self.passing.filter(|layer| passes && self.graph.caches[*layer] == cache) {
            Some(layer) => layer,
            None => {
                self.graph.caches.push(cache);
                self.graph.caches.len() - 1
            }
        };
        self.passing = if passes { Some(layer) } else { self.passing };
        let write = Op::KvWrite(KvWrite { layer, kv_heads, head_dim });
        self.graph.nodes.push(Node { op: write, inputs: vec![k.0, v.0], output: None });
        layer
    }

    /// Attention of `q` over what is in a cache. `q: [tokens, heads · head_dim]` → the same.
    ///
    /// # Errors
    /// As [`Recorder::attention`].
    pub fn attention_over(&mut self, name: &str, q: Var, layer: usize, spec: AttentionSpec) -> Result<Var> {
        let AttentionSpec { heads, kv_heads, head_dim, scale, mask, soft_cap, alibi, alibi_bf16, bias, sinks } = spec;
        if head_dim > MAX_HEAD_DIM {
            return Err(Error::unsupported(
                format!("head_dim {head_dim}"),
                format!("attention heads of {head_dim} values are larger than the {MAX_HEAD_DIM} that doran takes"),
            ));
        }
        if heads > MAX_HEADS {
            return Err(Error::unsupported(
                format!("{heads} attention heads"),
                format!("{heads} attention heads are more than the {MAX_HEADS} that doran takes"),
            ));
        }
        let op = Op::Attention(Attention {
            layer,
            heads,
            kv_heads,
            head_dim,
            scale,
            mask,
            soft_cap,
            alibi,
            alibi_bf16,
            bias,
            sinks,
        });
        let width = self.width(q);
        Ok(self.push(op, &[q], short(name), width, false))
    }
}
