// The weighted sum of what a row's experts gave, and what is added to it; four columns an invocation.
// Reference: src/ops/expert_sum.rs.

struct Params {
    // vec4s of one row of y, and between the columns of x of two chosen experts.
    n_quads: u32,
    chosen: u32,
    x_step: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    y_offset: u32,
    // In floats.
    routes_stride: u32,
    routes_offset: u32,
    has_residual: u32,
    residual_stride: u32,
    residual_offset: u32,
}

// src/ops/route.rs, MAX_CHOSEN.
const MAX_CHOSEN: u32 = 16u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [tokens, chosen, width]
@group(0) @binding(2) var<storage, read> routes: array<f32>;          // [tokens, 2, MAX_CHOSEN]
@group(0) @binding(3) var<storage, read> residual: array<vec4<f32>>;  // [tokens, width]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;   // [tokens, width]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.n_quads) {
        return;
    }
    let weights = params.routes_offset + id.y * params.routes_stride + MAX_CHOSEN;
    let first = params.x_offset + id.y * params.x_stride + id.x;
    var sum = vec4<f32>(0.0);
    for (var nth = 0u; nth < params.chosen; nth++) {
        sum += routes[weights + nth] * x[first + nth * params.x_step];
    }
    if (params.has_residual != 0u) {
        sum += residual[params.residual_offset + id.y * params.residual_stride + id.x];
    }
    y[params.y_offset + id.y * params.y_stride + id.x] = sum;
}
