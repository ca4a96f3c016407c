// The dot product of lib/codes with activations in bytes (lib/int8).
#import int8

struct Prepared {
    q: Int8,
    // Σ of what they stand for, of the halves.
    sums: vec2<f32>,
}

fn prepare(x: Block) -> Prepared {
    let q = int8_block(x);
    return Prepared(q, q.scale * vec2<f32>(vec2<i32>(int8_sum(q.a), int8_sum(q.b))));
}

fn codes_dot(q: Codes, h: Halves, x: Prepared) -> f32 {
    let sums = x.q.scale * vec2<f32>(vec2<i32>(int8_dot(q.a, x.q.a), int8_dot(q.b, x.q.b)));
    return dot(h.d, sums) + dot(h.m, x.sums);
}
