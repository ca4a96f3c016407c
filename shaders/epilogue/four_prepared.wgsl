// epilogue/four, which also prepares the norm of y where somebody wants it. Four invocations of a subgroup have 64 rows of w.
#import four_quads
#import prepare_norm
enable subgroups;
diagnostic(off, subgroup_uniformity);

fn leave_quad(to: u32, quad: u32, value: vec4<f32>) -> vec4<f32> {
    y[to + quad] = value;
    if (params.prepared_width == 0u) {
        return vec4<f32>(0.0);
    }
    return prepare_quad(to, quad, params.prepared_width, value);
}

fn leave_sum(to: u32, i: u32, squares: f32) {
    // Two invocations have 32 values: the even one leaves the sum.
    let sum = squares + subgroupShuffleXor(squares, 1u);
    if (params.prepared_width != 0u && (i & 1u) == 0u && i * 4u < params.n_quads) {
        prepare_sum(to, i / 2u, params.prepared_width, sum);
    }
}
