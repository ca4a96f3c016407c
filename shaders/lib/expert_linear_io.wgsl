// What the kernels of experts' linears share: a row of x with one of the experts that it is given to ("a pair"; grid z), times
// that expert's rows of w. See src/ops/expert_linear.rs.
#import block

struct Params {
    // Sub-blocks of one weight row: ceil(in_features / 32).
    row_blocks: u32,
    // Quads of rows of an expert: ceil(out_features / 4).
    n_quads: u32,
    // This part of the matrix: its first quad of all experts' quads, and how many it has.
    first_quad: u32,
    part_quads: u32,
    experts: u32,
    chosen: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    // Sub-blocks between the columns of x of two chosen experts; 0 where they read the same.
    x_blocks: u32,
    y_stride: u32,
    y_offset: u32,
    // vec4s between the columns of y of two chosen experts.
    y_step: u32,
    // In floats.
    routes_stride: u32,
    routes_offset: u32,
    has_bias: u32,
    // Quads whose sub-blocks stand side by side (lib/quads).
    together: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;   // [quads of all experts / together, row_blocks, together, 4]
@group(0) @binding(2) var<storage, read> scales: array<vec4<u32>>;   // [quads of all experts / together, row_blocks, together]
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;        // [tokens, in_features] or [tokens, chosen, in_features]
@group(0) @binding(4) var<storage, read> routes: array<f32>;         // [tokens, 2, MAX_CHOSEN]
@group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;     // [quads of all experts]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;  // [tokens, chosen, out_features]

struct Pair {
    row: u32,
    // Which of the row's experts, and the first quad of its rows.
    nth: u32,
    first: u32,
}

fn pair_of(z: u32) -> Pair {
    let row = z / params.chosen;
    let nth = z % params.chosen;
    // Where logits were no numbers, neither are routes.
    let expert = min(u32(routes[params.routes_offset + row * params.routes_stride + nth]), params.experts - 1u);
    return Pair(row, nth, expert * params.n_quads);
}

// Whether none of the expert's quads [quad, quad + count) stands in this part.
fn misses(pair: Pair, quad: u32, count: u32) -> bool {
    let first = pair.first + quad;
    return first + count <= params.first_quad || first >= params.first_quad + params.part_quads;
}

// The first sub-block of a quad of the expert. One that does not stand in this part reads another, and is not stored.
fn blocks_of(pair: Pair, quad: u32) -> u32 {
    return quad_start(min(pair.first + quad - params.first_quad, params.part_quads - 1u));
}

fn store(pair: Pair, quad: u32, sum: vec4<f32>) {
    if (quad >= params.n_quads || misses(pair, quad, 1u)) {
        return;
    }
    var value = sum;
    if (params.has_bias != 0u) {
        value += bias[pair.first + quad];
    }
    y[params.y_offset + pair.row * params.y_stride + pair.nth * params.y_step + quad] = value;
}
