// A sub-block of activations as 32 signed bytes: x ≈ scale · q with scale = max |x| / 127 and q rounded to nearest, ties to
// even. Sums of products of bytes are exact: 32 · 128 · 127 < 2²⁴. Reference: src/ops/linear/int8.rs.
requires packed_4x8_integer_dot_product;
#import block

struct Int8 {
    // Byte j of word w of `a` is value 4 w + j, of `b` value 16 + 4 w + j.
    a: vec4<u32>,
    b: vec4<u32>,
    scale: f32,
}

// 2⁻¹⁰⁰: what has no larger value counts as zeros, and nothing is divided by zero.
const LEAST_BITS: u32 = 0x0d800000u;

fn magnitude_bits(x: vec4<f32>) -> vec4<u32> {
    return bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
}

fn int8_word(x: vec4<f32>) -> u32 {
    return pack4xI8(vec4<i32>(round(x)));
}

fn int8_block(x: Block) -> Int8 {
    // Magnitudes are compared as integers, by which NaN is the largest: it stays in the scale, and so in the result, where a
    // maximum of floats may drop it.
    let all = max(
        max(max(magnitude_bits(x.v0), magnitude_bits(x.v1)), max(magnitude_bits(x.v2), magnitude_bits(x.v3))),
        max(max(magnitude_bits(x.v4), magnitude_bits(x.v5)), max(magnitude_bits(x.v6), magnitude_bits(x.v7))),
    );
    let most = bitcast<f32>(max(max(max(all.x, all.y), max(all.z, all.w)), LEAST_BITS));
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
