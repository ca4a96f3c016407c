// The last n_outputs rows of x: the ones whose logits are wanted. One invocation 32 values. Reference: src/ops/select_rows.rs.
#import step
#import prepare_norm

struct Params {
    n_quads: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    // Values of a row of y where its norm is prepared; else 0.
    prepared_width: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;           // [tokens, width]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;     // [outputs, width]
@group(0) @binding(4) var<storage, read> norm_weight: array<vec4<f32>>; // [width]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = id.x * 8u;
    if (first >= params.n_quads) {
        return;
    }
    let start = params.x_offset + (step.n_rows - step.n_outputs + id.y) * params.x_stride;
    let to = id.y * params.y_stride;
    var squares = vec4<f32>(0.0);
    for (var quad = first; quad < min(first + 8u, params.n_quads); quad++) {
        let value = x[start + quad];
        y[to + quad] = value;
        if (params.prepared_width != 0u) {
            squares += prepare_quad(to, quad, params.prepared_width, value);
        }
    }
    if (params.prepared_width != 0u) {
        prepare_sum(to, id.x, params.prepared_width, (squares.x + squares.y) + (squares.z + squares.w));
    }
}
