// What the kernels of split attention share: one row, whose keys and values this step brings, against the cache.
// See src/ops/rope_attention.rs.
#import step
#import KV
#import rope_attention_splits

struct Params {
    heads: u32,
    kv_heads: u32,
    // vec4s of a head.
    head_quads: u32,
    // vec4s of half the rotary dimensions; 0 for none.
    half_quads: u32,
    // Positions the cache has room for.
    capacity: u32,
    // Positions a row looks back, itself included; 0 for all.
    window: u32,
    // Positions of a tile, and splits at most.
    tile: u32,
    max_splits: u32,
    // Where q, k and v start, in vec4s.
    q_offset: u32,
    k_offset: u32,
    v_offset: u32,
    scale: f32,
}

// Finite, so that no difference of infinities can arise.
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;          // [positions, half_quads, 2]: two (cos, sin) each
@group(0) @binding(3) var<storage, read> q: array<vec4<f32>>;              // [heads, head_quads]
@group(0) @binding(4) var<storage, read> k: array<vec4<f32>>;              // [kv_heads, head_quads]
@group(0) @binding(5) var<storage, read> v: array<vec4<f32>>;              // [kv_heads, head_quads]
@group(0) @binding(6) var<storage, read_write> k_cache: array<KvQuad>;     // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(7) var<storage, read_write> v_cache: array<KvQuad>;     // [slot, kv_heads, capacity, head_quads]
// [heads, max_splits, head_quads + 1]: Σ exp(score − maximum) · value, and (maximum, Σ exp(score − maximum), 0, 0).
@group(0) @binding(8) var<storage, read_write> partials: array<vec4<f32>>;

// The rotation of quad i of a head: its own value, its partner's, and which of the two it is.
struct Turn {
    partner: u32,
    cos: vec4<f32>,
    // With the sign that the partner's value takes.
    sin: vec4<f32>,
}

// Su et al. 2021, eq. 34, in Hugging Face's order: value i of a head pairs with value i + half.
fn turn_of(position: u32, i: u32) -> Turn {
    if (i >= 2u * params.half_quads) {
        return Turn(i, vec4<f32>(1.0), vec4<f32>(0.0));
    }
    let low = i < params.half_quads;
    let pair = select(i - params.half_quads, i, low);
    let at = (position * params.half_quads + pair) * 2u;
    let a = table[at];
    let b = table[at + 1u];
    let sin = vec4<f32>(a.y, a.w, b.y, b.w);
    return Turn(select(pair, i + params.half_quads, low), vec4<f32>(a.x, a.z, b.x, b.z), select(sin, -sin, low));
}
