// The dot product of lib/codes with f32 activations. int8/codes_dot or f16/codes_dot may stand in its place.
#import bytes

struct Prepared {
    // Activations, byte j of a word scaled by 256^−j.
    y: Block,
    // Σ x of the halves.
    sums: vec2<f32>,
}

fn prepare(x: Block) -> Prepared {
    let y = Block(
        x.v0 * BYTE_SCALE, x.v1 * BYTE_SCALE, x.v2 * BYTE_SCALE, x.v3 * BYTE_SCALE,
        x.v4 * BYTE_SCALE, x.v5 * BYTE_SCALE, x.v6 * BYTE_SCALE, x.v7 * BYTE_SCALE,
    );
    let ones = vec4<f32>(1.0);
    return Prepared(y, vec2<f32>(dot((x.v0 + x.v1) + (x.v2 + x.v3), ones), dot((x.v4 + x.v5) + (x.v6 + x.v7), ones)));
}

fn codes_dot(q: Codes, h: Halves, x: Prepared) -> f32 {
    let a = word_dot(q.a.x, x.y.v0) + word_dot(q.a.y, x.y.v1) + word_dot(q.a.z, x.y.v2) + word_dot(q.a.w, x.y.v3);
    let b = word_dot(q.b.x, x.y.v4) + word_dot(q.b.y, x.y.v5) + word_dot(q.b.z, x.y.v6) + word_dot(q.b.w, x.y.v7);
    return h.d.x * a + h.m.x * x.sums.x + (h.d.y * b + h.m.y * x.sums.y);
}
