// Rows of activations as bytes (lib/int8), once for all workgroups of the matmul_int8.wgsl that follows: an invocation a sub-block.
// ORDER says in which order. Reference: src/ops/linear/int8.rs.
#import step
#import int8
#import ORDER

struct Params {
    // Sub-blocks of a row.
    row_blocks: u32,
    // Row stride and offset in vec4s.
    x_stride: u32,
    x_offset: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;           // [tokens, in_features]
// Bytes 0 to 15 and 16 to 31; bits of the scale, and of the sums of what the two halves stand for, without the scale.
@group(0) @binding(3) var<storage, read_write> y: array<vec4<u32>>;     // [tokens, row_blocks, 3]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.row_blocks || id.y >= step.n_rows) {
        return;
    }
    let i = params.x_offset + id.y * params.x_stride + id.x * 8u;
    let block = Block(x[i], x[i + 1u], x[i + 2u], x[i + 3u], x[i + 4u], x[i + 5u], x[i + 6u], x[i + 7u]);
    let q = int8_block(ordered(block));
    let to = (id.y * params.row_blocks + id.x) * 3u;
    let sums = vec2<f32>(vec2<i32>(int8_sum(q.a), int8_sum(q.b)));
    y[to] = q.a;
    y[to + 1u] = q.b;
    y[to + 2u] = vec4<u32>(bitcast<u32>(q.scale), bitcast<vec2<u32>>(sums), 0u);
}
