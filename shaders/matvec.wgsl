// y = w · x for single rows of activations (decode; grid z) on GPUs: the invocations of a workgroup split the sub-blocks of a pair of
// quads of output rows among them and REDUCE adds their sums up. INPUT says how x comes (with a norm or without), EPILOGUE
// which quads make a pair and what becomes of their sums. matvec_rows.wgsl is the variant for CPU adapters.
// Reference: src/ops/linear.rs.
#import linear_io
#import INPUT
#import quads
#import REDUCE
#import EPILOGUE

override WORKGROUP: u32 = 64u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // The grid may have more workgroups than there are pairs; what they compute is not stored.
    let i = group.y * 32768u + group.x;
    let first = min(first_of(i), params.n_quads - 1u) * params.row_blocks;
    let second = min(second_of(i), params.n_quads - 1u) * params.row_blocks;
    var squares = vec4<f32>(0.0);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    for (var block = local; block < params.row_blocks; block += WORKGROUP) {
        let x = prepare(load_input(group.z, block, local, &squares));
        a += quad_dot(first + block, x);
        b += quad_dot(second + block, x);
    }
    let sums = reduce(Sums(a, b, squares), local);
    if (local == 0u) {
        let scale = input_scale(group.z, local, sums[2]);
        finish(group.z, i, sums[0] * scale, sums[1] * scale);
    }
}
