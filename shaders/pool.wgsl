// What a text's rows come to: row 0 is their mean, row 1 the first of them. An invocation four columns of one of the two.
// Reference: src/ops/pool.rs.
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
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>; // [2, width]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.n_quads) {
        return;
    }
    let column = params.x_offset + id.x;
    if (id.y == 1u) {
        y[params.y_stride + id.x] = x[column];
        return;
    }
    // Sums of runs of 32 rows, so that each adds up less.
    var sum = vec4<f32>(0.0);
    for (var first = 0u; first < step.n_rows; first += 32u) {
        var run = vec4<f32>(0.0);
        for (var row = first; row < min(first + 32u, step.n_rows); row++) {
            run += x[column + row * params.x_stride];
        }
        sum += run;
    }
    y[id.x] = sum / f32(step.n_rows);
}
