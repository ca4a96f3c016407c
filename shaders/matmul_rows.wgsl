// y = x · wᵀ for several rows of activations (prefill) on CPU adapters: an invocation owns a tile of 8 rows of x by two
// quads of rows of w in registers, so that every load serves many products; no barrier. ACT says how x is loaded. Rows of
// y past the step's are written within the bucket. Reference: src/ops/linear.rs.
#import linear_io
#import ACT
#import quads

override WORKGROUP: u32 = 8u;

// The weights of one sub-block of a quad.
struct Quad {
    r0: Block,
    r1: Block,
    r2: Block,
    r3: Block,
}

fn unpack_quad(i: u32) -> Quad {
    let s = scales_of(i);
    let q = i * 4u;
    return Quad(row_unpack(q, s.d.x, s.m.x), row_unpack(q + 1u, s.d.y, s.m.y), row_unpack(q + 2u, s.d.z, s.m.z), row_unpack(q + 3u, s.d.w, s.m.w));
}

fn dots(w: Quad, x: Block) -> vec4<f32> {
    return vec4<f32>(block_dot(w.r0, x), block_dot(w.r1, x), block_dot(w.r2, x), block_dot(w.r3, x));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let quad = ((params.first_group + group.x) * WORKGROUP + local) * 2u;
    let row = group.y * 8u;
    // Invocations past the end compute the last quad again: all must take part in a broadcast.
    let first = quad_start(min(quad, params.n_quads - 1u));
    let second = quad_start(min(quad + 1u, params.n_quads - 1u));
    var a0 = vec4<f32>(0.0);
    var b0 = vec4<f32>(0.0);
    var a1 = vec4<f32>(0.0);
    var b1 = vec4<f32>(0.0);
    var a2 = vec4<f32>(0.0);
    var b2 = vec4<f32>(0.0);
    var a3 = vec4<f32>(0.0);
    var b3 = vec4<f32>(0.0);
    var a4 = vec4<f32>(0.0);
    var b4 = vec4<f32>(0.0);
    var a5 = vec4<f32>(0.0);
    var b5 = vec4<f32>(0.0);
    var a6 = vec4<f32>(0.0);
    var b6 = vec4<f32>(0.0);
    var a7 = vec4<f32>(0.0);
    var b7 = vec4<f32>(0.0);
    for (var b = 0u; b < params.row_blocks; b++) {
        let w = unpack_quad(first + b * params.together);
        let v = unpack_quad(second + b * params.together);
        let x0 = load_x(row + 0u, b, local);
        a0 += dots(w, x0);
        b0 += dots(v, x0);
        let x1 = load_x(row + 1u, b, local);
        a1 += dots(w, x1);
        b1 += dots(v, x1);
        let x2 = load_x(row + 2u, b, local);
        a2 += dots(w, x2);
        b2 += dots(v, x2);
        let x3 = load_x(row + 3u, b, local);
        a3 += dots(w, x3);
        b3 += dots(v, x3);
        let x4 = load_x(row + 4u, b, local);
        a4 += dots(w, x4);
        b4 += dots(v, x4);
        let x5 = load_x(row + 5u, b, local);
        a5 += dots(w, x5);
        b5 += dots(v, x5);
        let x6 = load_x(row + 6u, b, local);
        a6 += dots(w, x6);
        b6 += dots(v, x6);
        let x7 = load_x(row + 7u, b, local);
        a7 += dots(w, x7);
        b7 += dots(v, x7);
    }
    if (quad < params.n_quads) {
        store_y(row + 0u, quad, a0);
        store_y(row + 1u, quad, a1);
        store_y(row + 2u, quad, a2);
        store_y(row + 3u, quad, a3);
        store_y(row + 4u, quad, a4);
        store_y(row + 5u, quad, a5);
        store_y(row + 6u, quad, a6);
        store_y(row + 7u, quad, a7);
    }
    if (quad + 1u < params.n_quads) {
        store_y(row + 0u, quad + 1u, b0);
        store_y(row + 1u, quad + 1u, b1);
        store_y(row + 2u, quad + 1u, b2);
        store_y(row + 3u, quad + 1u, b3);
        store_y(row + 4u, quad + 1u, b4);
        store_y(row + 5u, quad + 1u, b5);
        store_y(row + 6u, quad + 1u, b6);
        store_y(row + 7u, quad + 1u, b7);
    }
}
