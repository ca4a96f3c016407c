// What a kernel leaves behind a row of y for the linears that take its RMS norm (Zhang & Sennrich 2019, eq. 4), of which one
// row may have hundreds of workgroups: the row times the norm's weight, and the sum of squares of each 32 values in the x of a
// vec4. Three ranges of vec4s: ceil(width / 32) · 8, as many again, ceil(width / 32). See `Operand::prepared` in src/ops/mod.rs.

// Leaves quad `quad` of a row of `width` values that starts at `to`; gives the squares. Values past the width count as zeros.
fn prepare_quad(to: u32, quad: u32, width: u32, value: vec4<f32>) -> vec4<f32> {
    let column = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let v = select(vec4<f32>(0.0), value, column < vec4<u32>(width));
    y[to + (width + 31u) / 32u * 8u + quad] = v * norm_weight[quad];
    return v * v;
}

// Leaves the sum of 32 squares, those from value 32 · `block` on.
fn prepare_sum(to: u32, block: u32, width: u32, squares: f32) {
    y[to + (width + 31u) / 32u * 16u + block] = vec4<f32>(squares, 0.0, 0.0, 0.0);
}
