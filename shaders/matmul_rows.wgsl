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

// The sums of a quad with eight rows of x, which take turns: the first one's turn it is. One row's products are then compiled and not
// eight rows', in less than half the time, and CPU adapters have more of them in registers.
alias Sums = array<vec4<f32>, 8>;

// The first sum goes to the end, as `sum`. After eight turns each stands where it stood.
fn turned(s: Sums, sum: vec4<f32>) -> Sums {
    return Sums(s[1], s[2], s[3], s[4], s[5], s[6], s[7], sum);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let quad = ((params.first_group + group.x) * WORKGROUP + local) * 3u;
    let row = group.y * 8u;
    // Quads past the end are the last one again: all invocations must take part in a broadcast.
    let first = quad_start(min(quad, params.n_quads - 1u));
    let second = quad_start(min(quad + 1u, params.n_quads - 1u));
    let third = quad_start(min(quad + 2u, params.n_quads - 1u));
    var a = Sums();
    var b = Sums();
    var c = Sums();
    for (var block = 0u; block < params.row_blocks; block++) {
        let u = unpack_quad(first + block * params.together);
        let v = unpack_quad(second + block * params.together);
        let w = unpack_quad(third + block * params.together);
        for (var turn = 0u; turn < 8u; turn++) {
            let x_row = load_x(row + turn, block, local);
            a = turned(a, a[0] + dots(u, x_row));
            b = turned(b, b[0] + dots(v, x_row));
            c = turned(c, c[0] + dots(w, x_row));
        }
    }
    for (var turn = 0u; turn < 8u; turn++) {
        for (var k = 0u; k < min(3u, params.n_quads - min(quad, params.n_quads)); k++) {
            store_y(row + turn, quad + k, select(select(a[0], b[0], k == 1u), c[0], k == 2u));
        }
        a = turned(a, a[0]);
        b = turned(b, b[0]);
        c = turned(c, c[0]);
    }
}
