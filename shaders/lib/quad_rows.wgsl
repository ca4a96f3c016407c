// The four rows' dot products with a prepared sub-block of x, for formats that load each row's words by themselves and give
// row_dot(i, d, m, x).
#import scales

fn quad_dot(i: u32, x: Prepared) -> vec4<f32> {
    let s = scales_of(i);
    let q = i * 4u;
    return vec4<f32>(
        row_dot(q, s.d.x, s.m.x, x), row_dot(q + 1u, s.d.y, s.m.y, x),
        row_dot(q + 2u, s.d.z, s.m.z, x), row_dot(q + 3u, s.d.w, s.m.w, x),
    );
}
