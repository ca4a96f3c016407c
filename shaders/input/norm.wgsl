// The row of x that a matvec reads, with a folded RMS norm (Zhang & Sennrich 2019, eq. 4): x · weight goes into the
// products, the squares are summed on the way, and 1 / sqrt(mean(x²) + eps) is a factor on the result. Each invocation adds
// up the squares of the sub-blocks that it loads. Columns past the row's end are zeros in the norm's weight only.
@group(0) @binding(7) var<storage, read> norm_weight: array<vec4<f32>>;  // [in_features]

fn masked(value: vec4<f32>, quad: u32) -> vec4<f32> {
    let column = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), value, column < vec4<u32>(params.norm_width));
}

fn normed(row: u32, quad: u32, squares: ptr<function, vec4<f32>>) -> vec4<f32> {
    let v = masked(x[params.x_offset + row * params.x_stride + quad], quad);
    *squares += v * v;
    return v * norm_weight[quad];
}

fn load_input(row: u32, block: u32, local: u32, squares: ptr<function, vec4<f32>>) -> Block {
    let q = block * 8u;
    return Block(
        normed(row, q, squares), normed(row, q + 1u, squares), normed(row, q + 2u, squares), normed(row, q + 3u, squares),
        normed(row, q + 4u, squares), normed(row, q + 5u, squares), normed(row, q + 6u, squares), normed(row, q + 7u, squares),
    );
}

fn input_scale(row: u32, local: u32, squares: vec4<f32>) -> f32 {
    let mean = ((squares.x + squares.y) + (squares.z + squares.w)) / f32(params.norm_width);
    return inverseSqrt(mean + params.norm_eps);
}
