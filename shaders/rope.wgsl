// Rotary embedding of q or k: one invocation a value pair of a head; what lies past the rotary dimensions is copied.
// Reference: src/ops/rope.rs.
#import step
#import rope_table

struct Params {
    n_heads: u32,
    head_dim: u32,
    // Half of the rotary dimensions.
    half: u32,
    // Strides and offsets in floats.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> table: array<vec2<f32>>;  // [positions, half]
@group(0) @binding(3) var<storage, read> x: array<f32>;            // [tokens, n_heads, head_dim]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;      // [tokens, n_heads, head_dim]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pairs = params.head_dim - params.half;
    if (id.x >= params.n_heads * pairs) {
        return;
    }
    let head = id.x / pairs;
    let i = id.x % pairs;
    let src = params.x_offset + id.y * params.x_stride + head * params.head_dim;
    let to = id.y * params.y_stride + head * params.head_dim;
    if (i < params.half) {
        let r = rotate(x[src + i], x[src + i + params.half], table[step.rows[id.y].z * params.half + i]);
        y[to + i] = r.x;
        y[to + i + params.half] = r.y;
    } else {
        y[to + i + params.half] = x[src + i + params.half];
    }
}
