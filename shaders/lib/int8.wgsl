// A sub-block of activations as 32 signed bytes: x ≈ scale · q with scale = max |x| / 127 and q rounded to nearest, ties to
// even. Sums of products of bytes are exact: 32 · 128 · 127 < 2²⁴. Reference: src/ops/linear/int8.rs.
requires packed_4x8_integer_dot_product;
#import magnitude

struct Int8 {
    // Byte j of word w of `a` is value 4 w + j, of `b` value 16 + 4 w + j.
    a: vec4<u32>,
    b: vec4<u32>,
    scale: f32,
}

fn int8_word(x: vec4<f32>) -> u32 {
    return pack4xI8(vec4<i32>(round(x)));
}

fn int8_block(x: Block) -> Int8 {
    let most = bitcast<f32>(largest_bits(x));
    let s = 127.0 / most;
    return Int8(
        vec4<u32>(int8_word(x.v0 * s), int8_word(x.v1 * s), int8_word(x.v2 * s), int8_word(x.v3 * s)),
        vec4<u32>(int8_word(x.v4 * s), int8_word(x.v5 * s), int8_word(x.v6 * s), int8_word(x.v7 * s)),
        most / 127.0,
    );
}

// Σ a b over the sixteen bytes of four words.
fn int8_dot(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return (dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y)) + (dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w));
}

// Σ a over them.
fn int8_sum(a: vec4<u32>) -> i32 {
    return int8_dot(a, vec4<u32>(0x01010101u));
}
