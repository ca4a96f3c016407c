// y = w · x for one row of activations (decode). Four output rows ("a quad") share every load of x.
// LANES invocations split the sub-blocks of a quad among them and REDUCE adds their sums up:
//   reduce/none       LANES = 1: an invocation owns its quad; no barrier (CPU adapters)
//   reduce/subgroup   LANES = the workgroup, one or more subgroups
//   reduce/workgroup  LANES = the workgroup, core WebGPU only
// Reference: src/ops/linear.rs.
#import linear_io
#import QUANT
#import REDUCE

override WORKGROUP: u32 = 64u;
override LANES: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let lane = local % LANES;
    let quad = (group.y * 32768u + group.x) * (WORKGROUP / LANES) + local / LANES;
    var sum = vec4<f32>(0.0);
    if (quad < params.n_quads) {
        let w0 = quad * 4u * params.row_blocks;
        let w1 = w0 + params.row_blocks;
        let w2 = w1 + params.row_blocks;
        let w3 = w2 + params.row_blocks;
        for (var b = lane; b < params.row_blocks; b += LANES) {
            let p = prepare(load_x(0u, b));
            sum += vec4<f32>(
                dot_prepared(w0 + b, p), dot_prepared(w1 + b, p), dot_prepared(w2 + b, p), dot_prepared(w3 + b, p));
        }
    }
    sum = reduce(sum, local);
    if (lane == 0u && quad < params.n_quads) {
        store_y(0u, quad, sum);
    }
}
