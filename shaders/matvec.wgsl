// y = w · x for one row of activations (decode) on GPUs: the invocations of a workgroup split the sub-blocks of a quad of
// output rows among them and REDUCE adds their sums up. matvec_rows.wgsl is the variant for CPU adapters.
// Reference: src/ops/linear.rs.
#import linear_io
#import act/plain
#import quads
#import REDUCE

override WORKGROUP: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // The grid may have more workgroups than there are quads; what they compute is not stored.
    let quad = group.y * 32768u + group.x;
    let first = min(quad, params.n_quads - 1u) * params.row_blocks;
    var sum = vec4<f32>(0.0);
    for (var b = local; b < params.row_blocks; b += WORKGROUP) {
        sum += quad_dot(first + b, prepare(load_x(0u, b, local)));
    }
    sum = reduce(sum, local);
    if (local == 0u && quad < params.n_quads) {
        store_y(0u, quad, sum);
    }
}
