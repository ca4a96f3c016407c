// The dot product of lib/codes in half floats (lib/f16).
#import f16_bytes

struct Prepared {
    h: HalfBlock,
    // Σ x of the halves, which is not rounded.
    sums: vec2<f32>,
}

fn prepare(x: Block) -> Prepared {
    let ones = vec4<f32>(1.0);
    let sums = vec2<f32>(dot((x.v0 + x.v1) + (x.v2 + x.v3), ones), dot((x.v4 + x.v5) + (x.v6 + x.v7), ones));
    return Prepared(half_block(by_bytes(x)), sums);
}

fn codes_dot(q: Codes, s: Halves, x: Prepared) -> f32 {
    let h = x.h;
    let sums = vec2<f32>(bytes_dot(q.a, 0.0h, h.h0, h.h1, h.h2, h.h3), bytes_dot(q.b, 0.0h, h.h4, h.h5, h.h6, h.h7));
    return dot(s.d, h.scale * sums) + dot(s.m, x.sums);
}
