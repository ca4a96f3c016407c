// The row of x that a matvec reads: as it is, or, with norm_width, a row that the kernel which made x has left times a norm's
// weight, with the sums of its squares behind it (lib/prepare_norm), so that only the factor 1 / sqrt(mean(x²) + eps) remains.
// Where subgroups have exactly four invocations.
#import ACT
enable subgroups;
diagnostic(off, subgroup_uniformity);

// The weight of the norm of y, where that is prepared.
@group(0) @binding(7) var<storage, read> norm_weight: array<vec4<f32>>;  // [out_features]

fn load_input(row: u32, block: u32, local: u32, squares: ptr<function, vec4<f32>>) -> Block {
    return load_x(row, block, local);
}

fn input_scale(row: u32, local: u32, squares: vec4<f32>) -> f32 {
    let sums = params.x_offset + row * params.x_stride + params.row_blocks * 8u;
    let n_sums = select(0u, params.row_blocks, params.norm_width != 0u);
    var sum = 0.0;
    for (var i = local & 3u; i < n_sums; i += 4u) {
        sum += x[sums + i].x;
    }
    let factor = inverseSqrt(subgroupAdd(sum) / f32(params.norm_width) + params.norm_eps);
    return select(1.0, factor, params.norm_width != 0u);
}
