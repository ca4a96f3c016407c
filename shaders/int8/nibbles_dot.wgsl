// The dot product of lib/nibbles with activations in bytes (lib/int8).
#import int8

struct Prepared {
    // First those that meet a word's even nibbles, then the odd ones.
    q: Int8,
    // Σ of what they stand for.
    sum: f32,
}

fn prepare(x: Block) -> Prepared {
    let q = int8_block(Block(
        vec4<f32>(x.v0.xz, x.v1.xz), vec4<f32>(x.v2.xz, x.v3.xz), vec4<f32>(x.v4.xz, x.v5.xz), vec4<f32>(x.v6.xz, x.v7.xz),
        vec4<f32>(x.v0.yw, x.v1.yw), vec4<f32>(x.v2.yw, x.v3.yw), vec4<f32>(x.v4.yw, x.v5.yw), vec4<f32>(x.v6.yw, x.v7.yw),
    ));
    return Prepared(q, q.scale * f32(int8_sum(q.a) + int8_sum(q.b)));
}

// Σ n x over the sub-block's nibbles n.
fn nibbles_dot(q: vec4<u32>, x: Prepared) -> f32 {
    let n = q ^ vec4<u32>(0x80000000u);
    let nibbles = vec4<u32>(0x0f0f0f0fu);
    return x.q.scale * f32(int8_dot(n & nibbles, x.q.a) + int8_dot((n >> vec4<u32>(4u)) & nibbles, x.q.b));
}
