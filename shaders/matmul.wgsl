// y = x · wᵀ for several rows of activations (prefill). An invocation owns a tile of 4 rows of x by 4 rows of w in
// registers; nothing is shared, so there is no barrier. Rows of y past the step's are written within the bucket.
// Reference: src/ops/linear.rs.
#import linear_io
#import act/plain
#import quads

override WORKGROUP: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let quad = group.x * WORKGROUP + local;
    let row = group.y * 4u;
    if (quad >= params.n_quads) {
        return;
    }
    let first = quad * params.row_blocks;
    var sum0 = vec4<f32>(0.0);
    var sum1 = vec4<f32>(0.0);
    var sum2 = vec4<f32>(0.0);
    var sum3 = vec4<f32>(0.0);
    for (var b = 0u; b < params.row_blocks; b++) {
        let s = scales_of(first + b);
        let q = (first + b) * 4u;
        let w0 = row_unpack(q, s.d.x, s.m.x);
        let w1 = row_unpack(q + 1u, s.d.y, s.m.y);
        let w2 = row_unpack(q + 2u, s.d.z, s.m.z);
        let w3 = row_unpack(q + 3u, s.d.w, s.m.w);
        let x0 = load_x(row, b, local);
        sum0 += vec4<f32>(block_dot(w0, x0), block_dot(w1, x0), block_dot(w2, x0), block_dot(w3, x0));
        let x1 = load_x(row + 1u, b, local);
        sum1 += vec4<f32>(block_dot(w0, x1), block_dot(w1, x1), block_dot(w2, x1), block_dot(w3, x1));
        let x2 = load_x(row + 2u, b, local);
        sum2 += vec4<f32>(block_dot(w0, x2), block_dot(w1, x2), block_dot(w2, x2), block_dot(w3, x2));
        let x3 = load_x(row + 3u, b, local);
        sum3 += vec4<f32>(block_dot(w0, x3), block_dot(w1, x3), block_dot(w2, x3), block_dot(w3, x3));
    }
    store_y(row, quad, sum0);
    store_y(row + 1u, quad, sum1);
    store_y(row + 2u, quad, sum2);
    store_y(row + 3u, quad, sum3);
}
