// y = w · x for single rows of activations (decode; grid z) on CPU adapters: an invocation owns four quads of output rows, so there
// is no reduction and no barrier, and what a sub-block of x costs is shared by sixteen rows. INPUT says how x comes, EPILOGUE
// what becomes of the sums. One pipeline serves linears with and without a gate: pipelines are dear to compile there.
// Reference: src/ops/linear.rs.
#import linear_io
#import INPUT
#import quads
#import EPILOGUE

override WORKGROUP: u32 = 4u;

// Where a quad's sub-blocks start; those past the end are the last quad's again: all must take part in a broadcast.
fn start_of(quad: u32) -> u32 {
    return quad_start(min(quad, params.n_quads - 1u));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let i = (params.first_group + group.y * 32768u + group.x) * WORKGROUP + local;
    let first = first_of(i);
    let third = third_of(i);
    // The sub-block of each quad that is next.
    var next = vec4<u32>(start_of(first), start_of(first + 1u), start_of(third), start_of(third + 1u));
    var squares = vec4<f32>(0.0);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    // Quads take turns in one call, and after four turns each stands where it stood: four calls take SwiftShader twice as long to
    // compile, and are no faster.
    for (var block = 0u; block < params.row_blocks; block++) {
        let x = prepare(load_input(group.z, block, local, &squares));
        for (var turn = 0u; turn < 4u; turn++) {
            let sum = a + quad_dot(next.x, x);
            a = b;
            b = c;
            c = d;
            d = sum;
            next = vec4<u32>(next.yzw, next.x + params.together);
        }
    }
    let scale = input_scale(group.z, local, squares);
    store_four(group.z, i, a * scale, b * scale, c * scale, d * scale);
}
