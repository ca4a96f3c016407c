//! What most decoders' layers are made of. A model file says in which order, and what lies between.

use super::config::Dims;
use crate::error::Result;
use crate::graph::record::{AttentionSpec, Recorder, Var};
use crate::ops::elementwise::Function;

/// `q_proj`, `k_proj` and `v_proj` of module `at`. `h: [tokens, hidden_size]` → `[tokens, heads · head_dim]` and twice
/// `[tokens, kv_heads · head_dim]`. The first `interleaved` values of each head of q and k rotate as pairs that stand side by
/// side in the file (GPT-J's way); 0 where they rotate as halves (GPT-NeoX's).
pub(super) fn qkv(
    g: &mut Recorder<'_>,
    at: &str,
    h: Var,
    dims: &Dims,
    bias: bool,
    interleaved: u32,
) -> Result<[Var; 3]> {
    let Dims { heads, kv_heads, head_dim, .. } = *dims;
    let q = g.linear_rotated(&format!("{at}.q_proj"), h, (heads, head_dim), interleaved, bias)?;
    let k = g.linear_rotated(&format!("{at}.k_proj"), h, (kv_heads, head_dim), interleaved, bias)?;
    let v = g.linear(&format!("{at}.v_proj"), h, dims.kv_width(), bias)?;
    Ok([q, k, v])
}

/// Attention, with q and k rotated by a table where there is one (Su et al. 2021, § 3.2.2).
pub(super) fn attend(
    g: &mut Recorder<'_>,
    at: &str,
    [q, k, v]: [Var; 3],
    rope: Option<usize>,
    spec: AttentionSpec,
) -> Result<Var> {
    let mut turn = |x: Var, heads: u32| rope.map_or(x, |table| g.rope(x, heads, spec.head_dim, table));
    let (q, k) = (turn(q, spec.heads), turn(k, spec.kv_heads));
    g.attention(at, [q, k, v], spec)
}

/// `down_proj(act(gate_proj(h)) · up_proj(h))` (Shazeer 2020, eq. 6).
pub(super) fn gated_mlp(
    g: &mut Recorder<'_>,
    at: &str,
    h: Var,
    act: Function,
    [intermediate_size, hidden_size]: [u32; 2],
    bias: bool,
) -> Result<Var> {
    let modules = ["gate_proj", "up_proj", "down_proj"].map(|module| format!("{at}.{module}"));
    gated_mlp_of(g, modules, h, act, [intermediate_size, hidden_size], bias)
}

/// The same by the names of gate, up and down.
pub(super) fn gated_mlp_of(
    g: &mut Recorder<'_>,
    [gate, up, down]: [String; 3],
    h: Var,
    act: Function,
    [intermediate_size, hidden_size]: [u32; 2],
    bias: bool,
) -> Result<Var> {
    let gate = g.linear(&gate, h, intermediate_size, bias)?;
    let up = g.linear(&up, h, intermediate_size, bias)?;
    let gate = g.activation(act, gate);
    let h = g.mul(gate, up);
    g.linear(&down, h, hidden_size, bias)
}

/// The same where gate and up are one tensor, `gate_up_proj`, the gate first.
pub(super) fn fused_gated_mlp(
    g: &mut Recorder<'_>,
    at: &str,
    h: Var,
    act: Function,
    [intermediate_size, hidden_size]: [u32; 2],
) -> Result<Var> {
    let [gate, up] = g.linears(&format!("{at}.gate_up_proj"), h, 1, [intermediate_size; 2], false)?;
    let gate = g.activation(act, gate);
    let h = g.mul(gate, up);
    g.linear(&format!("{at}.down_proj"), h, hidden_size, false)
}

/// `second(act(first(h)))` (Vaswani et al. 2017, § 3.3), by the modules' names.
pub(super) fn mlp(
    g: &mut Recorder<'_>,
    [first, second]: [String; 2],
    h: Var,
    act: Function,
    [intermediate_size, hidden_size]: [u32; 2],
    bias: bool,
) -> Result<Var> {
    let h = g.linear(&first, h, intermediate_size, bias)?;
    let h = g.activation(act, h);
    g.linear(&second, h, hidden_size, bias)
}
