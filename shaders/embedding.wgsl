// y[row, :] = weight[token(row), :] · scale, or by position, or one row for all. One invocation a sub-block of 32. Reference: src/ops/embedding.rs.
#import step
#import quads

struct Params {
    // Sub-blocks of one row.
    row_blocks: u32,
    // Table rows [part_first, part_end) that this part of the matrix holds.
    part_first: u32,
    part_end: u32,
    y_stride: u32,  // vec4s
    scale: f32,
    // The row is `first`, plus the token's id or the position where these are 1.
    first: u32,
    by_token: u32,
    by_position: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> quants: array<vec4<u32>>;  // [quads, row_blocks, 4]
@group(0) @binding(3) var<storage, read> scales: array<vec4<u32>>;  // [quads, row_blocks]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [rows, hidden_size]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let row = id.y;
    let at = params.first + step.rows[row].x * params.by_token + step.rows[row].z * params.by_position;
    if (block >= params.row_blocks || at < params.part_first || at >= params.part_end) {
        return;
    }
    let table_row = at - params.part_first;
    let i = (table_row >> 2u) * params.row_blocks + block;
    let s = scales_of(i);
    let r = table_row & 3u;
    let w = row_unpack(i * 4u + r, s.d[r], s.m[r]);
    let o = row * params.y_stride + block * 8u;
    y[o] = w.v0 * params.scale;
    y[o + 1u] = w.v1 * params.scale;
    y[o + 2u] = w.v2 * params.scale;
    y[o + 3u] = w.v3 * params.scale;
    y[o + 4u] = w.v4 * params.scale;
    y[o + 5u] = w.v5 * params.scale;
    y[o + 6u] = w.v6 * params.scale;
    y[o + 7u] = w.v7 * params.scale;
}
