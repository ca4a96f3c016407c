// y[row, :] = weight[token(row), :] · scale, or by position. One invocation a sub-block of 32. Reference: src/ops/embedding.rs.
#import step
#import quads
#import prepare_norm

struct Params {
    // Sub-blocks of one row.
    row_blocks: u32,
    // Table rows [part_first, part_end) that this part of the matrix holds.
    part_first: u32,
    part_end: u32,
    y_stride: u32,  // vec4s
    scale: f32,
    // Whether rows are taken by position, and the row of position 0.
    by_position: u32,
    first_position: u32,
    // Values of a row of y where its norm is prepared; else 0.
    prepared_width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> quants: array<vec4<u32>>;  // [quads, row_blocks, 4]
@group(0) @binding(3) var<storage, read> scales: array<vec4<u32>>;  // [quads, row_blocks]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [rows, hidden_size]
@group(0) @binding(5) var<storage, read> norm_weight: array<vec4<f32>>; // [hidden_size]

// Stores a quad, and gives its squares where they are wanted.
fn leave(to: u32, quad: u32, value: vec4<f32>) -> vec4<f32> {
    let scaled = value * params.scale;
    y[to + quad] = scaled;
    if (params.prepared_width == 0u) {
        return vec4<f32>(0.0);
    }
    return prepare_quad(to, quad, params.prepared_width, scaled);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let row = id.y;
    let token = select(step.rows[row].x, params.first_position + step.rows[row].z, params.by_position != 0u);
    if (block >= params.row_blocks || token < params.part_first || token >= params.part_end) {
        return;
    }
    let table_row = token - params.part_first;
    let i = (table_row >> 2u) * params.row_blocks + block;
    let s = scales_of(i);
    let r = table_row & 3u;
    let w = row_unpack(i * 4u + r, s.d[r], s.m[r]);
    let to = row * params.y_stride;
    let q = block * 8u;
    let low = (leave(to, q, w.v0) + leave(to, q + 1u, w.v1)) + (leave(to, q + 2u, w.v2) + leave(to, q + 3u, w.v3));
    let high = (leave(to, q + 4u, w.v4) + leave(to, q + 5u, w.v5)) + (leave(to, q + 6u, w.v6) + leave(to, q + 7u, w.v7));
    if (params.prepared_width != 0u) {
        let squares = low + high;
        prepare_sum(to, block, params.prepared_width, (squares.x + squares.y) + (squares.z + squares.w));
    }
}
