// input/norm where subgroups have exactly four invocations that all want the same sub-block: each loads, squares and scales
// a quarter of it and broadcasts that.
enable subgroups;
diagnostic(off, subgroup_uniformity);

@group(0) @binding(7) var<storage, read> norm_weight: array<vec4<f32>>;  // [in_features]

fn masked(value: vec4<f32>, quad: u32) -> vec4<f32> {
    let column = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), value, column < vec4<u32>(params.norm_width));
}

fn load_input(row: u32, block: u32, local: u32, squares: ptr<function, vec4<f32>>) -> Block {
    let q = block * 8u + (local & 3u);
    let first = params.x_offset + row * params.x_stride;
    let v = masked(x[first + q], q);
    let w = masked(x[first + q + 4u], q + 4u);
    *squares += v * v + w * w;
    let a = v * norm_weight[q];
    let b = w * norm_weight[q + 4u];
    return Block(
        subgroupBroadcast(a, 0u), subgroupBroadcast(a, 1u), subgroupBroadcast(a, 2u), subgroupBroadcast(a, 3u),
        subgroupBroadcast(b, 0u), subgroupBroadcast(b, 1u), subgroupBroadcast(b, 2u), subgroupBroadcast(b, 3u),
    );
}

fn input_scale(row: u32, local: u32, squares: vec4<f32>) -> f32 {
    let mean = subgroupAdd((squares.x + squares.y) + (squares.z + squares.w)) / f32(params.norm_width);
    return inverseSqrt(mean + params.norm_eps);
}
