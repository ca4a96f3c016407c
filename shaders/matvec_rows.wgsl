// y = w · x for one row of activations (decode) on CPU adapters: an invocation owns a quad of output rows, so there is no
// reduction and no barrier. ACT says how x is loaded. Reference: src/ops/linear.rs.
#import linear_io
#import ACT
#import quads

override WORKGROUP: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let quad = (group.y * 32768u + group.x) * WORKGROUP + local;
    // Invocations past the end compute the last quad again: all must take part in a broadcast.
    let first = min(quad, params.n_quads - 1u) * params.row_blocks;
    var sum = vec4<f32>(0.0);
    for (var b = 0u; b < params.row_blocks; b++) {
        sum += quad_dot(first + b, prepare(load_x(0u, b, local)));
    }
    if (quad < params.n_quads) {
        store_y(0u, quad, sum);
    }
}
