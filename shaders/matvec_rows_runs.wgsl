// matvec_rows.wgsl for formats whose sub-blocks share words of scales (lib/runs), which are loaded once for a run.
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
    let w0 = start_of(first);
    let w1 = start_of(first + 1u);
    let w2 = start_of(third);
    let w3 = start_of(third + 1u);
    var squares = vec4<f32>(0.0);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    for (var begin = 0u; begin < params.row_blocks; begin += 8u) {
        let r0 = load_run(run_of(w0 + begin));
        let r1 = load_run(run_of(w1 + begin));
        let r2 = load_run(run_of(w2 + begin));
        let r3 = load_run(run_of(w3 + begin));
        for (var s = 0u; s < 8u; s++) {
            let block = begin + s;
            let x = prepare(load_input(group.z, block, local, &squares));
            a += scaled_quad_dot(w0 + block, scales_in(r0, s), x);
            b += scaled_quad_dot(w1 + block, scales_in(r1, s), x);
            c += scaled_quad_dot(w2 + block, scales_in(r2, s), x);
            d += scaled_quad_dot(w3 + block, scales_in(r3, s), x);
        }
    }
    let scale = input_scale(group.z, local, squares);
    store_four(group.z, i, a * scale, b * scale, c * scale, d * scale);
}
