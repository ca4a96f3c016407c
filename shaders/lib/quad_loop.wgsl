// lib/quad_rows for formats without scales, which are mostly loads: a loop over the rows, since what is called four times is compiled
// four times, and CPU adapters take longest to compile loads.

fn quad_dot(i: u32, x: Prepared) -> vec4<f32> {
    var y = vec4<f32>(0.0);
    for (var row = 0u; row < 4u; row++) {
        let dot = row_dot(i * 4u + row, 1.0, 0.0, x);
        y = select(y, vec4<f32>(dot), vec4<u32>(row) == vec4<u32>(0u, 1u, 2u, 3u));
    }
    return y;
}
