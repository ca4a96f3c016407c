// The last n_outputs rows of x: the ones whose logits are wanted. Reference: src/ops/select_rows.rs.
#import step

struct Params {
    n_quads: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;       // [tokens, width]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [outputs, width]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.n_quads) {
        let row = step.n_rows - step.n_outputs + id.y;
        y[id.y * params.y_stride + id.x] = x[params.x_offset + row * params.x_stride + id.x];
    }
}
