// epilogue/rows, which also prepares the norm of y where somebody wants it. Four invocations of a subgroup have 32 rows of w.
#import prepare_norm
enable subgroups;
diagnostic(off, subgroup_uniformity);

@group(0) @binding(7) var<storage, read> norm_weight: array<vec4<f32>>;  // [out_features]

fn first_of(i: u32) -> u32 {
    return i * 2u;
}

fn second_of(i: u32) -> u32 {
    return i * 2u + 1u;
}

// Stores a quad, and gives its squares where they are wanted.
fn store_prepared(row: u32, quad: u32, sum: vec4<f32>) -> vec4<f32> {
    if (quad >= params.n_quads) {
        return vec4<f32>(0.0);
    }
    let value = with_addends(row, params.first_quad + quad, sum);
    let to = params.y_offset + row * params.y_stride;
    y[to + params.first_quad + quad] = value;
    if (params.prepared_width == 0u) {
        return vec4<f32>(0.0);
    }
    return prepare_quad(to, params.first_quad + quad, params.prepared_width, value);
}

fn finish(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>) {
    let squares = store_prepared(row, i * 2u, a) + store_prepared(row, i * 2u + 1u, b);
    let sum = subgroupAdd((squares.x + squares.y) + (squares.z + squares.w));
    if (params.prepared_width != 0u && (i & 3u) == 0u && i * 2u < params.n_quads) {
        prepare_sum(params.y_offset + row * params.y_stride, i / 4u, params.prepared_width, sum);
    }
}
