// A row of x times the rows of w of one of its experts on GPUs: as matvec.wgsl, but which rows is read from the routes.
// expert_linear_rows.wgsl is the variant for CPU adapters. Reference: src/ops/expert_linear.rs.
#import expert_linear_io
#import ACT
#import quads
#import REDUCE

override WORKGROUP: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let pair = pair_of(group.z);
    let quad = (group.y * 32768u + group.x) * 2u;
    if (misses(pair, quad, 2u)) {
        return;
    }
    let first = blocks_of(pair, quad);
    let second = blocks_of(pair, quad + 1u);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    for (var block = local; block < params.row_blocks; block += WORKGROUP) {
        let x = prepare(load_x(pair.row, pair.nth * params.x_blocks + block, local));
        a += quad_dot(first + block * params.together, x);
        b += quad_dot(second + block * params.together, x);
    }
    let sums = reduce(Sums(a, b, vec4<f32>(0.0)), local);
    if (local == 0u) {
        store(pair, quad, sums[0]);
        store(pair, quad + 1u, sums[1]);
    }
}
