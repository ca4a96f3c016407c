// y = x · wᵀ for several rows of activations (prefill). An invocation owns a tile of 4 rows of x by 4 rows of w in
// registers; nothing is shared, so there is no barrier. Rows of y past the step's are written within the bucket.
// Reference: src/ops/linear.rs.
#import linear_io
#import QUANT

override WORKGROUP: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let quad = group.x * WORKGROUP + local;
    let row = group.y * 4u;
    if (quad >= params.n_quads) {
        return;
    }
    let w0 = quad * 4u * params.row_blocks;
    let w1 = w0 + params.row_blocks;
    let w2 = w1 + params.row_blocks;
    let w3 = w2 + params.row_blocks;
    var sum0 = vec4<f32>(0.0);
    var sum1 = vec4<f32>(0.0);
    var sum2 = vec4<f32>(0.0);
    var sum3 = vec4<f32>(0.0);
    for (var b = 0u; b < params.row_blocks; b++) {
        let a = unpack(w0 + b);
        let c = unpack(w1 + b);
        let d = unpack(w2 + b);
        let e = unpack(w3 + b);
        let x0 = load_x(row, b);
        sum0 += vec4<f32>(block_dot(a, x0), block_dot(c, x0), block_dot(d, x0), block_dot(e, x0));
        let x1 = load_x(row + 1u, b);
        sum1 += vec4<f32>(block_dot(a, x1), block_dot(c, x1), block_dot(d, x1), block_dot(e, x1));
        let x2 = load_x(row + 2u, b);
        sum2 += vec4<f32>(block_dot(a, x2), block_dot(c, x2), block_dot(d, x2), block_dot(e, x2));
        let x3 = load_x(row + 3u, b);
        sum3 += vec4<f32>(block_dot(a, x3), block_dot(c, x3), block_dot(d, x3), block_dot(e, x3));
    }
    store_y(row, quad, sum0);
    store_y(row + 1u, quad, sum1);
    store_y(row + 2u, quad, sum2);
    store_y(row + 3u, quad, sum3);
}
