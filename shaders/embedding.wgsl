// y[row, :] = weight[token(row), :] · scale, or by position, or one row for all. One invocation a sub-block of 32. Reference: src/ops/embedding.rs.
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
    // The row is `first`, plus the token's id or the position where these are 1.
    first: u32,
    by_token: u32,
    by_position: u32,
    // Values of a row of y where its norm is prepared; else 0.
    prepared_width: u32,
    // Quads whose sub-blocks stand side by side (lib/quads).
    together: u32,
    // The id that pads where only the others count as positions; else NO_PADDING.
    padding: u32,
    pad: u32,
}

const NO_PADDING = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> quants: array<vec4<u32>>;  // [quads / together, row_blocks, together, 4]
@group(0) @binding(3) var<storage, read> scales: array<vec4<u32>>;  // [quads / together, row_blocks, together]
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

// The table row of a row of the step.
fn table_row(row: u32) -> u32 {
    var at = params.first + step.rows[row].x * params.by_token + step.rows[row].z * params.by_position;
    if (params.padding != NO_PADDING && step.rows[row].x != params.padding) {
        for (var i = 0u; i <= row; i++) {
            at += select(0u, 1u, step.rows[i].x != params.padding);
        }
    }
    return at;
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let row = id.y;
    let at = table_row(row);
    if (block >= params.row_blocks || at < params.part_first || at >= params.part_end) {
        return;
    }
    let in_part = at - params.part_first;
    let i = quad_start(in_part >> 2u) + block * params.together;
    let s = scales_of(i);
    let r = in_part & 3u;
    let w = row_unpack(i * 4u + r, s.d[r], s.m[r]);
    let to = row * params.y_stride;
    let q = block * 8u;
    // A loop instead of eight calls: what is called often is compiled often.
    var squares = vec4<f32>(0.0);
    for (var k = 0u; k < 8u; k++) {
        squares += leave(to, q + k, block_quad(w, k));
    }
    if (params.prepared_width != 0u) {
        prepare_sum(to, block, params.prepared_width, (squares.x + squares.y) + (squares.z + squares.w));
    }
}
