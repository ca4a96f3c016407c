// y = x · wᵀ for up to eight rows of activations on GPUs: as matvec.wgsl, but what is loaded and unpacked of w serves all
// rows of x. A workgroup computes 8 quads of rows of w; 8 invocations split the sub-blocks of each among them and leave
// their sums in workgroup memory (8 KiB), where they are added up behind a single barrier. Reference: src/ops/linear.rs.
#import linear_io
#import linear_rows
#import quads

const QUADS: u32 = 8u;
const LANES: u32 = 8u;
const MAX_ROWS: u32 = 8u;
// Sums of one lane, and invocations.
const RESULTS: u32 = 64u;

var<workgroup> partials: array<vec4<f32>, 512>;  // [LANES, MAX_ROWS, QUADS]

// One sub-block of a quad.
struct Quad {
    r0: Block,
    r1: Block,
    r2: Block,
    r3: Block,
}

fn unpack_quad(i: u32) -> Quad {
    let s = scales_of(i);
    let q = i * 4u;
    return Quad(
        row_unpack(q, s.d.x, s.m.x), row_unpack(q + 1u, s.d.y, s.m.y),
        row_unpack(q + 2u, s.d.z, s.m.z), row_unpack(q + 3u, s.d.w, s.m.w),
    );
}

// The sums of four rows of x with a quad.
struct Sums {
    x0: vec4<f32>,
    x1: vec4<f32>,
    x2: vec4<f32>,
    x3: vec4<f32>,
}

// Adds four columns of a quad times the same columns of four rows of x, whose vec4s are at `at`.
fn add_columns(sums: Sums, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>, at: vec4<u32>) -> Sums {
    // A row vector times a matrix is its dot products with the columns.
    let w = mat4x4<f32>(w0, w1, w2, w3);
    return Sums(sums.x0 + x[at.x] * w, sums.x1 + x[at.y] * w, sums.x2 + x[at.z] * w, sums.x3 + x[at.w] * w);
}

// The same for a whole sub-block, a vec4 of columns after the other, so that no more of it need be in registers.
fn add_block(sums: Sums, w: Quad, at: vec4<u32>) -> Sums {
    var s = add_columns(sums, w.r0.v0, w.r1.v0, w.r2.v0, w.r3.v0, at);
    s = add_columns(s, w.r0.v1, w.r1.v1, w.r2.v1, w.r3.v1, at + 1u);
    s = add_columns(s, w.r0.v2, w.r1.v2, w.r2.v2, w.r3.v2, at + 2u);
    s = add_columns(s, w.r0.v3, w.r1.v3, w.r2.v3, w.r3.v3, at + 3u);
    s = add_columns(s, w.r0.v4, w.r1.v4, w.r2.v4, w.r3.v4, at + 4u);
    s = add_columns(s, w.r0.v5, w.r1.v5, w.r2.v5, w.r3.v5, at + 5u);
    s = add_columns(s, w.r0.v6, w.r1.v6, w.r2.v6, w.r3.v6, at + 6u);
    return add_columns(s, w.r0.v7, w.r1.v7, w.r2.v7, w.r3.v7, at + 7u);
}

fn leave(sums: Sums, to: u32) {
    partials[to] = sums.x0;
    partials[to + QUADS] = sums.x1;
    partials[to + 2u * QUADS] = sums.x2;
    partials[to + 3u * QUADS] = sums.x3;
}

@compute @workgroup_size(RESULTS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_quad = (params.first_group + group.y * 32768u + group.x) * QUADS;
    let lane = local % LANES;
    let first = quad_start(min(first_quad + local / LANES, params.n_quads - 1u));
    let rows = n_rows();
    // Rows past the step's repeat the last; what they give is not stored.
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let low = params.x_offset + min(four, vec4<u32>(rows - 1u)) * params.x_stride;
    let high = params.x_offset + min(four + 4u, vec4<u32>(rows - 1u)) * params.x_stride;
    var low_sums = Sums();
    var high_sums = Sums();
    for (var b = lane; b < params.row_blocks; b += LANES) {
        let w = unpack_quad(first + b * params.together);
        low_sums = add_block(low_sums, w, low + b * 8u);
        if (rows > 4u) {
            high_sums = add_block(high_sums, w, high + b * 8u);
        }
    }
    let to = lane * RESULTS + local / LANES;
    leave(low_sums, to);
    leave(high_sums, to + 4u * QUADS);
    workgroupBarrier();
    var sum = partials[local];
    for (var i = 1u; i < LANES; i++) {
        sum += partials[i * RESULTS + local];
    }
    store_inside(local / QUADS, first_quad + local % QUADS, sum);
}
