// The end of a matvec: an output is a row of w. Pair i is two quads of rows that stand side by side.
fn first_of(i: u32) -> u32 {
    return i * 2u;
}

fn second_of(i: u32) -> u32 {
    return i * 2u + 1u;
}

fn finish(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>) {
    if (i * 2u < params.n_quads) {
        store_y(row, i * 2u, a);
    }
    if (i * 2u + 1u < params.n_quads) {
        store_y(row, i * 2u + 1u, b);
    }
}
