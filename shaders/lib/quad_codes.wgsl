// The four rows' dot products with a prepared sub-block of x, for lib/codes: words that four rows have in one vec4 are loaded once.
#import scales

fn scaled_quad_dot(i: u32, s: Scales, x: Prepared) -> vec4<f32> {
    let q = quad_words(i);
    return vec4<f32>(
        codes_dot(codes(q.r0), halves_of(s.d.x, s.m.x), x), codes_dot(codes(q.r1), halves_of(s.d.y, s.m.y), x),
        codes_dot(codes(q.r2), halves_of(s.d.z, s.m.z), x), codes_dot(codes(q.r3), halves_of(s.d.w, s.m.w), x),
    );
}

fn quad_dot(i: u32, x: Prepared) -> vec4<f32> {
    return scaled_quad_dot(i, scales_of(i), x);
}
