// The end of a matvec over four quads of rows that stand side by side.
#import gated

fn store_rows(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    for (var k = 0u; k < 4u; k++) {
        if (i * 4u + k < params.n_quads) {
            store_y(row, i * 4u + k, one_of(k, a, b, c, d));
        }
    }
}
