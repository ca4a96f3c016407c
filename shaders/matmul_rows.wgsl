// y = x · wᵀ for several rows of activations (prefill) on CPU adapters: an invocation owns a tile of 8 rows of x by three
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

// A loop over this instead of a call for each sum: what is called often is compiled often.
fn one_of(row: u32, s0: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, s3: vec4<f32>, s4: vec4<f32>, s5: vec4<f32>, s6: vec4<f32>, s7: vec4<f32>) -> vec4<f32> {
    let low = select(select(s0, s1, row == 1u), select(s2, s3, row == 3u), row > 1u);
    let high = select(select(s4, s5, row == 5u), select(s6, s7, row == 7u), row > 5u);
    return select(low, high, row > 3u);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let quad = ((params.first_group + group.x) * WORKGROUP + local) * 3u;
    let row = group.y * 8u;
    // Quads past the end are the last one again: all invocations must take part in a broadcast.
    let first = quad_start(min(quad, params.n_quads - 1u));
    let second = quad_start(min(quad + 1u, params.n_quads - 1u));
    let third = quad_start(min(quad + 2u, params.n_quads - 1u));
    var a0 = vec4<f32>(0.0);
    var b0 = vec4<f32>(0.0);
    var c0 = vec4<f32>(0.0);
    var a1 = vec4<f32>(0.0);
    var b1 = vec4<f32>(0.0);
    var c1 = vec4<f32>(0.0);
    var a2 = vec4<f32>(0.0);
    var b2 = vec4<f32>(0.0);
    var c2 = vec4<f32>(0.0);
    var a3 = vec4<f32>(0.0);
    var b3 = vec4<f32>(0.0);
    var c3 = vec4<f32>(0.0);
    var a4 = vec4<f32>(0.0);
    var b4 = vec4<f32>(0.0);
    var c4 = vec4<f32>(0.0);
    var a5 = vec4<f32>(0.0);
    var b5 = vec4<f32>(0.0);
    var c5 = vec4<f32>(0.0);
    var a6 = vec4<f32>(0.0);
    var b6 = vec4<f32>(0.0);
    var c6 = vec4<f32>(0.0);
    var a7 = vec4<f32>(0.0);
    var b7 = vec4<f32>(0.0);
    var c7 = vec4<f32>(0.0);
    for (var block = 0u; block < params.row_blocks; block++) {
        let u = unpack_quad(first + block * params.together);
        let v = unpack_quad(second + block * params.together);
        let w = unpack_quad(third + block * params.together);
        let x0 = load_x(row + 0u, block, local);
        a0 += dots(u, x0);
        b0 += dots(v, x0);
        c0 += dots(w, x0);
        let x1 = load_x(row + 1u, block, local);
        a1 += dots(u, x1);
        b1 += dots(v, x1);
        c1 += dots(w, x1);
        let x2 = load_x(row + 2u, block, local);
        a2 += dots(u, x2);
        b2 += dots(v, x2);
        c2 += dots(w, x2);
        let x3 = load_x(row + 3u, block, local);
        a3 += dots(u, x3);
        b3 += dots(v, x3);
        c3 += dots(w, x3);
        let x4 = load_x(row + 4u, block, local);
        a4 += dots(u, x4);
        b4 += dots(v, x4);
        c4 += dots(w, x4);
        let x5 = load_x(row + 5u, block, local);
        a5 += dots(u, x5);
        b5 += dots(v, x5);
        c5 += dots(w, x5);
        let x6 = load_x(row + 6u, block, local);
        a6 += dots(u, x6);
        b6 += dots(v, x6);
        c6 += dots(w, x6);
        let x7 = load_x(row + 7u, block, local);
        a7 += dots(u, x7);
        b7 += dots(v, x7);
        c7 += dots(w, x7);
    }
    for (var i = 0u; i < 8u; i++) {
        let a = one_of(i, a0, a1, a2, a3, a4, a5, a6, a7);
        let b = one_of(i, b0, b1, b2, b3, b4, b5, b6, b7);
        let c = one_of(i, c0, c1, c2, c3, c4, c5, c6, c7);
        for (var j = 0u; j < min(3u, params.n_quads - min(quad, params.n_quads)); j++) {
            store_y(row + i, quad + j, select(select(a, b, j == 1u), c, j == 2u));
        }
    }
}
