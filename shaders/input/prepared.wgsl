// The row of x times a norm's weight, which the kernel that made x has left behind x with the sums of its squares
// (lib/prepare_norm): only the factor 1 / sqrt(mean(x²) + eps) remains. Where subgroups have exactly four invocations.
#import ACT
enable subgroups;
diagnostic(off, subgroup_uniformity);

fn load_input(row: u32, block: u32, local: u32, squares: ptr<function, vec4<f32>>) -> Block {
    return load_x(row, block + params.row_blocks, local);
}

fn input_scale(row: u32, local: u32, squares: vec4<f32>) -> f32 {
    let sums = params.x_offset + row * params.x_stride + params.row_blocks * 16u;
    var sum = 0.0;
    for (var i = local & 3u; i < params.row_blocks; i += 4u) {
        sum += x[sums + i].x;
    }
    return inverseSqrt(subgroupAdd(sum) / f32(params.norm_width) + params.norm_eps);
}
