// Parameters and bindings of attention in one kernel, shared by attention and attention_tile. See src/ops/attention.rs.
#import step
#import KV

struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    head_quads: u32,
    capacity: u32,
    // Positions a row looks back, itself included; 0 for all.
    window: u32,
    // Strides and offsets in floats.
    q_stride: u32,
    q_offset: u32,
    y_stride: u32,
    scale: f32,
    pad0: u32,
    pad1: u32,
}

// Finite, so that no difference of infinities can arise.
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> q: array<f32>;           // [tokens, heads, head_dim]
@group(0) @binding(3) var<storage, read> k_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read> v_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;     // [tokens, heads, head_dim]

// Four values of a query, scaled; zeros past head_dim.
fn load_q(row: u32, head: u32, quad: u32) -> vec4<f32> {
    let d = quad * 4u;
    let i = params.q_offset + row * params.q_stride + head * params.head_dim + d;
    let inside = vec4<u32>(d) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.head_dim);
    return select(vec4<f32>(0.0), vec4<f32>(q[i], q[i + 1u], q[i + 2u], q[i + 3u]), inside) * params.scale;
}

fn store_y(row: u32, head: u32, quad: u32, value: vec4<f32>) {
    let to = row * params.y_stride + head * params.head_dim;
    for (var i = 0u; i < 4u; i++) {
        if (quad * 4u + i < params.head_dim) {
            y[to + quad * 4u + i] = value[i];
        }
    }
}

// First position that a row at `position` looks at.
fn first_position(position: u32) -> u32 {
    let end = position + 1u;
    return select(0u, end - params.window, params.window != 0u && end > params.window);
}
