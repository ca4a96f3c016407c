// y = x · wᵀ for many rows of activations (prefill) on GPUs. A workgroup computes 32 rows of x by 16 quads of rows of w and
// goes through them sub-block by sub-block: its 64 invocations unpack one row of w each, stage x likewise, and then each
// adds up 8 rows of x by one quad in registers, so that a vec4 from workgroup memory serves eleven products and one from
// the bindings 171 (Q4). 12 KiB of workgroup memory. With 128 invocations, of which half unpack w, it computes 64 rows of x and reads w
// once for them, in 16 KiB. matmul_rows.wgsl is the variant for CPU adapters.
// Reference: src/ops/linear.rs.
#import linear_io
#import linear_rows
#import quads

// 64 or 128, and vec4s of the tile of x: four times as many.
override WORKGROUP: u32 = 64u;
override X_TILE: u32 = 256u;
const TILE_QUADS: u32 = 16u;
// vec4s of a sub-block.
const DEPTH: u32 = 8u;

// Invocations that follow each other touch vec4s that follow each other, here and in x_tile: no bank is asked twice.
var<workgroup> w_tile: array<vec4<f32>, 512>;  // [DEPTH, row of the quad, TILE_QUADS]
var<workgroup> x_tile: array<vec4<f32>, X_TILE>;  // [WORKGROUP / 2, DEPTH]

// One row of w, four columns at a time, into w_tile from `to` on.
fn stage_w(w: Block, to: u32) {
    w_tile[to] = w.v0;
    w_tile[to + 64u] = w.v1;
    w_tile[to + 128u] = w.v2;
    w_tile[to + 192u] = w.v3;
    w_tile[to + 256u] = w.v4;
    w_tile[to + 320u] = w.v5;
    w_tile[to + 384u] = w.v6;
    w_tile[to + 448u] = w.v7;
}

// Four columns of a quad: row r of the quad in component r.
struct Columns {
    c0: vec4<f32>,
    c1: vec4<f32>,
    c2: vec4<f32>,
    c3: vec4<f32>,
}

fn load_columns(quad: u32, depth: u32) -> Columns {
    let i = depth * 64u + quad;
    let w = transpose(mat4x4<f32>(w_tile[i], w_tile[i + 16u], w_tile[i + 32u], w_tile[i + 48u]));
    return Columns(w[0], w[1], w[2], w[3]);
}

// sum + w · x over four columns; in this order each step is one multiply-add.
fn add(sum: vec4<f32>, w: Columns, x: vec4<f32>) -> vec4<f32> {
    return w.c3 * x.w + (w.c2 * x.z + (w.c1 * x.y + (w.c0 * x.x + sum)));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // Of the 64 rows of w one of the first 64 invocations unpacks row `local / 16` of quad `local % 16`, and of the tile of y each owns
    // rows 8 · (local / 16) to + 7 of the same quad.
    let quad = (params.first_group + group.x) * TILE_QUADS + local % TILE_QUADS;
    let part = local / TILE_QUADS;
    let first = quad_start(min(quad, params.n_quads - 1u));
    // Of x it stages one vec4 of four rows, an eighth of the invocations apart. Rows past the step's repeat the last.
    let tile_row = group.y * (WORKGROUP / 2u);
    let apart = WORKGROUP / DEPTH;
    let last = n_rows() - 1u;
    let row = tile_row + local / DEPTH;
    let x_first = params.x_offset + local % DEPTH;
    let x0 = x_first + min(row, last) * params.x_stride;
    let x1 = x_first + min(row + apart, last) * params.x_stride;
    let x2 = x_first + min(row + 2u * apart, last) * params.x_stride;
    let x3 = x_first + min(row + 3u * apart, last) * params.x_stride;
    let x_own = part * 8u * DEPTH;

    var sum0 = vec4<f32>(0.0);
    var sum1 = vec4<f32>(0.0);
    var sum2 = vec4<f32>(0.0);
    var sum3 = vec4<f32>(0.0);
    var sum4 = vec4<f32>(0.0);
    var sum5 = vec4<f32>(0.0);
    var sum6 = vec4<f32>(0.0);
    var sum7 = vec4<f32>(0.0);
    for (var b = 0u; b < params.row_blocks; b++) {
        let i = first + b * params.together;
        if (local < 64u) {
            let s = scales_of(i);
            stage_w(row_unpack(i * 4u + part, s.d[part], s.m[part]), local);
        }
        x_tile[local] = x[x0 + b * DEPTH];
        x_tile[local + WORKGROUP] = x[x1 + b * DEPTH];
        x_tile[local + 2u * WORKGROUP] = x[x2 + b * DEPTH];
        x_tile[local + 3u * WORKGROUP] = x[x3 + b * DEPTH];
        workgroupBarrier();
        for (var d = 0u; d < DEPTH; d++) {
            let w = load_columns(local % TILE_QUADS, d);
            let i = x_own + d;
            sum0 = add(sum0, w, x_tile[i]);
            sum1 = add(sum1, w, x_tile[i + 8u]);
            sum2 = add(sum2, w, x_tile[i + 16u]);
            sum3 = add(sum3, w, x_tile[i + 24u]);
            sum4 = add(sum4, w, x_tile[i + 32u]);
            sum5 = add(sum5, w, x_tile[i + 40u]);
            sum6 = add(sum6, w, x_tile[i + 48u]);
            sum7 = add(sum7, w, x_tile[i + 56u]);
        }
        workgroupBarrier();
    }
    let y_row = tile_row + part * 8u;
    store_inside(y_row, quad, sum0);
    store_inside(y_row + 1u, quad, sum1);
    store_inside(y_row + 2u, quad, sum2);
    store_inside(y_row + 3u, quad, sum3);
    store_inside(y_row + 4u, quad, sum4);
    store_inside(y_row + 5u, quad, sum5);
    store_inside(y_row + 6u, quad, sum6);
    store_inside(y_row + 7u, quad, sum7);
}
