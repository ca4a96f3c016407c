// y = x / sqrt(mean(x²) + eps) · weight, a workgroup or an invocation a row (REDUCE). Zhang & Sennrich 2019, eq. 4. Reference: src/ops/rms_norm.rs.
#import REDUCE

override WORKGROUP: u32 = 64u;

struct Params {
    width: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    eps: f32,
    // Rows that x and y have.
    rows: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;       // [tokens, width]
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;  // [width]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [tokens, width]

// The quad of x, with zeros past the row's end.
fn masked(value: vec4<f32>, quad: u32) -> vec4<f32> {
    let column = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), value, column < vec4<u32>(params.width));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row = row_of(group.x, local);
    if (row >= params.rows) {
        return;
    }
    let first = params.x_offset + row * params.x_stride;
    let n_quads = (params.width + 3u) / 4u;
    var squares = vec4<f32>(0.0);
    for (var q = first_column(local); q < n_quads; q += next_column()) {
        let v = masked(x[first + q], q);
        squares += v * v;
    }
    squares = reduce(Sums(squares, vec4<f32>(0.0), vec4<f32>(0.0)), local)[0];
    let mean = (squares.x + squares.y + squares.z + squares.w) / f32(params.width);
    let scale = inverseSqrt(mean + params.eps);
    for (var q = first_column(local); q < n_quads; q += next_column()) {
        y[row * params.y_stride + q] = masked(x[first + q], q) * scale * weight[q];
    }
}
