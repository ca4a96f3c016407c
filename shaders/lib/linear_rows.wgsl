// What linears of several rows need besides lib/linear_io: the step, which says how many rows of x there are.
#import step

@group(0) @binding(7) var<storage, read> step: Step;

// Rows of x in this step.
fn n_rows() -> u32 {
    return select(step.n_rows, step.n_outputs, params.of_outputs != 0u);
}

// Stores a quad of a row if both exist: tiles reach past the last row and past the last quad.
fn store_inside(row: u32, quad: u32, sum: vec4<f32>) {
    if (row < n_rows() && quad < params.n_quads) {
        store_y(row, quad, sum);
    }
}
