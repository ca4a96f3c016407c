// y = f(a, b), element by element, rows of any stride; f comes from FUNCTION (elementwise/*.wgsl).
// References: src/ops/elementwise.rs.
#import FUNCTION

struct Params {
    // vec4s of one row, and row strides and offsets in vec4s.
    n_quads: u32,
    a_stride: u32,
    a_offset: u32,
    b_stride: u32,
    b_offset: u32,
    y_stride: u32,
    // What functions with a parameter take.
    value: f32,
    second: f32,
    // 0 where all columns take the first value of b.
    b_step: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;       // [tokens, width]
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;       // [tokens, width]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [tokens, width]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.n_quads) {
        return;
    }
    let left = a[params.a_offset + id.y * params.a_stride + id.x];
    let right = b[params.b_offset + id.y * params.b_stride + id.x * params.b_step];
    y[id.y * params.y_stride + id.x] = f(left, right);
}
