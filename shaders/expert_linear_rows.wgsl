// A row of x times the rows of w of one of its experts on CPU adapters: as matvec_rows.wgsl, an invocation owns two quads of
// rows, but which ones is read from the routes. Reference: src/ops/expert_linear.rs.
#import expert_linear_io
#import ACT
#import quads

override WORKGROUP: u32 = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let pair = pair_of(group.z);
    let first_quad = (group.y * 32768u + group.x) * WORKGROUP * 2u;
    // All or none of the workgroup: all must take part in a broadcast.
    if (misses(pair, first_quad, WORKGROUP * 2u)) {
        return;
    }
    let quad = first_quad + local * 2u;
    let first = blocks_of(pair, quad);
    let second = blocks_of(pair, quad + 1u);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    for (var block = 0u; block < params.row_blocks; block++) {
        let x = prepare(load_x(pair.row, pair.nth * params.x_blocks + block, local));
        a += quad_dot(first + block * params.together, x);
        b += quad_dot(second + block * params.together, x);
    }
    store(pair, quad, a);
    store(pair, quad + 1u, b);
}
