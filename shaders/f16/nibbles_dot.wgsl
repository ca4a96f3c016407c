// The dot product of lib/nibbles in half floats (lib/f16). Nibbles are taken less 8, so that sums stay small.
#import f16

struct Prepared {
    // vec4 k of each half has the activations that meet nibble k and k + 4 of two words.
    h: HalfBlock,
    // 8 Σ x, which is not rounded, and Σ x.
    excess: f32,
    sum: f32,
}

fn prepare(x: Block) -> Prepared {
    let a = transpose(mat4x4<f32>(x.v0, x.v1, x.v2, x.v3));
    let b = transpose(mat4x4<f32>(x.v4, x.v5, x.v6, x.v7));
    let sum = block_sum(x);
    return Prepared(half_block(Block(a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3])), 8.0 * sum, sum);
}

fn nibble_pairs(words: vec2<u32>) -> vec4<f16> {
    return codes_with_1024(words & vec2<u32>(0x000f000fu)) - vec4<f16>(1032.0h);
}

// Σ n x over the sub-block's nibbles n.
fn nibbles_dot(q: vec4<u32>, x: Prepared) -> f32 {
    let n = q ^ vec4<u32>(0x80000000u);
    let n4 = n >> vec4<u32>(4u);
    let n8 = n >> vec4<u32>(8u);
    let n12 = n >> vec4<u32>(12u);
    var a = nibble_pairs(n.xy) * x.h.h0;
    a += nibble_pairs(n4.xy) * x.h.h1;
    a += nibble_pairs(n8.xy) * x.h.h2;
    a += nibble_pairs(n12.xy) * x.h.h3;
    var b = nibble_pairs(n.zw) * x.h.h4;
    b += nibble_pairs(n4.zw) * x.h.h5;
    b += nibble_pairs(n8.zw) * x.h.h6;
    b += nibble_pairs(n12.zw) * x.h.h7;
    return x.h.scale * (half_sum(a) + half_sum(b)) + x.excess;
}
