// y = w · x for single rows of activations (decode; grid z) on CPU adapters: an invocation owns a pair of quads of output rows, so there
// is no reduction and no barrier. INPUT says how x comes (with a norm or without, or prepared for one), EPILOGUE which quads make a pair and
// what becomes of their sums. Reference: src/ops/linear.rs.
#import linear_io
#import INPUT
#import quads
#import EPILOGUE

override WORKGROUP: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let i = (group.y * 32768u + group.x) * WORKGROUP + local;
    // Invocations past the end compute the last quad again: all must take part in a broadcast.
    let first = min(first_of(i), params.n_quads - 1u) * params.row_blocks;
    let second = min(second_of(i), params.n_quads - 1u) * params.row_blocks;
    var squares = vec4<f32>(0.0);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    for (var block = 0u; block < params.row_blocks; block++) {
        let x = prepare(load_input(group.z, block, local, &squares));
        a += quad_dot(first + block, x);
        b += quad_dot(second + block, x);
    }
    let scale = input_scale(group.z, local, squares);
    finish(group.z, i, a * scale, b * scale);
}
