// epilogue/four, which also prepares the norm of y where somebody wants it. Four invocations of a subgroup have 64 rows of w.
#import gated
#import prepare_norm
enable subgroups;
diagnostic(off, subgroup_uniformity);

fn store_rows(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    let to = params.y_offset + row * params.y_stride;
    var squares = vec4<f32>(0.0);
    for (var k = 0u; k < 4u; k++) {
        let quad = params.first_quad + i * 4u + k;
        if (i * 4u + k < params.n_quads) {
            let value = with_addends(row, quad, one_of(k, a, b, c, d));
            y[to + quad] = value;
            if (params.prepared_width != 0u) {
                squares += prepare_quad(to, quad, params.prepared_width, value);
            }
        }
    }
    // Two invocations have 32 values: the even one leaves the sum.
    let own = (squares.x + squares.y) + (squares.z + squares.w);
    let sum = own + subgroupShuffleXor(own, 1u);
    if (params.prepared_width != 0u && (i & 1u) == 0u && i * 4u < params.n_quads) {
        prepare_sum(to, i / 2u, params.prepared_width, sum);
    }
}
