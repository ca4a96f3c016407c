// y = x · wᵀ for many rows of activations (prefill) on GPUs, with activations as bytes that int8_rows.wgsl has made: matmul_tile.wgsl's
// tile of 32 rows of x by 16 quads of rows of w, sub-block by sub-block, but for 32 products in eight instructions and a quarter of
// the workgroup memory (4.5 KiB). Reference: src/ops/linear/activations.rs.
#import linear_io
#import linear_rows
#import quads

@group(0) @binding(8) var<storage, read> x_bytes: array<vec4<u32>>;  // [tokens, row_blocks, 3]

const TILE_ROWS: u32 = 32u;
const TILE_QUADS: u32 = 16u;

var<workgroup> w_tile: array<vec4<u32>, 128>;   // [half, row of the quad, TILE_QUADS]
var<workgroup> w_scales: array<vec4<f32>, 64>;  // [row of the quad, TILE_QUADS]
var<workgroup> x_tile: array<vec4<u32>, 96>;    // [TILE_ROWS, 3]

fn staged(i: u32) -> RowBytes {
    return RowBytes(w_tile[i], w_tile[i + 64u], w_scales[i]);
}

// The product of a sub-block of w with one of x, without the scale of x.
fn product(w: RowBytes, a: vec4<u32>, b: vec4<u32>, sums: vec2<f32>) -> f32 {
    let dots = vec2<f32>(vec2<i32>(int8_dot(w.a, a), int8_dot(w.b, b)));
    return dot(w.scales, vec4<f32>(dots, sums));
}

struct Quad {
    r0: RowBytes,
    r1: RowBytes,
    r2: RowBytes,
    r3: RowBytes,
}

// sum + w · x for row `row` of the tile.
fn add(sum: vec4<f32>, w: Quad, row: u32) -> vec4<f32> {
    let a = x_tile[row * 3u];
    let b = x_tile[row * 3u + 1u];
    let s = bitcast<vec4<f32>>(x_tile[row * 3u + 2u]);
    let products = vec4<f32>(product(w.r0, a, b, s.yz), product(w.r1, a, b, s.yz), product(w.r2, a, b, s.yz), product(w.r3, a, b, s.yz));
    return sum + s.x * products;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // As in matmul_tile.wgsl: who unpacks which row of w, and owns which rows of y.
    let quad = (params.first_group + group.x) * TILE_QUADS + local % TILE_QUADS;
    let part = local / TILE_QUADS;
    let first = quad_start(min(quad, params.n_quads - 1u));
    let tile_row = group.y * TILE_ROWS;
    let last = n_rows() - 1u;
    // Of x it stages one vec4 of the 96, and the first half of the invocations a second. Rows past the step's repeat the last.
    let x_row = params.row_blocks * 3u;
    let x0 = min(tile_row + local / 3u, last) * x_row + local % 3u;
    let x1 = min(tile_row + (local + 64u) / 3u, last) * x_row + (local + 64u) % 3u;
    let own = part * 8u;

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
        let s = scales_of(i);
        let row = row_bytes(i * 4u + part, s.d[part], s.m[part]);
        w_tile[local] = row.a;
        w_tile[local + 64u] = row.b;
        w_scales[local] = row.scales;
        x_tile[local] = x_bytes[x0 + b * 3u];
        if (local < 32u) {
            x_tile[local + 64u] = x_bytes[x1 + b * 3u];
        }
        workgroupBarrier();
        let at = local % TILE_QUADS;
        let w = Quad(staged(at), staged(at + 16u), staged(at + 32u), staged(at + 48u));
        sum0 = add(sum0, w, own);
        sum1 = add(sum1, w, own + 1u);
        sum2 = add(sum2, w, own + 2u);
        sum3 = add(sum3, w, own + 3u);
        sum4 = add(sum4, w, own + 4u);
        sum5 = add(sum5, w, own + 5u);
        sum6 = add(sum6, w, own + 6u);
        sum7 = add(sum7, w, own + 7u);
        workgroupBarrier();
    }
    let y_row = tile_row + own;
    store_inside(y_row, quad, sum0);
    store_inside(y_row + 1u, quad, sum1);
    store_inside(y_row + 2u, quad, sum2);
    store_inside(y_row + 3u, quad, sum3);
    store_inside(y_row + 4u, quad, sum4);
    store_inside(y_row + 5u, quad, sum5);
    store_inside(y_row + 6u, quad, sum6);
    store_inside(y_row + 7u, quad, sum7);
}
