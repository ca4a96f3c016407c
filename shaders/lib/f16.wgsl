// A sub-block of activations as 32 half floats: x ≈ scale · h, where scale is a power of two and the largest magnitude of h is 2 to
// 4. So sums of products with codes of up to eight bits stay below 8 · 128 · 4 = 4096, far from the largest half float, and what is
// lost of a value is 2⁻¹¹ of it, or 2⁻¹⁵ of the largest of the 32 where small half floats become zero. Reference:
// src/ops/linear/f16.rs.
enable f16;
#import block
#import magnitude

struct HalfBlock {
    h0: vec4<f16>, h1: vec4<f16>, h2: vec4<f16>, h3: vec4<f16>,
    h4: vec4<f16>, h5: vec4<f16>, h6: vec4<f16>, h7: vec4<f16>,
    scale: f32,
}

fn half_block(x: Block) -> HalfBlock {
    // The exponent alone: infinity where there is infinity or NaN, which so stay in the result.
    let exponent = largest_bits(x) & 0x7f800000u;
    let s = bitcast<f32>(0x7f800000u - exponent);
    return HalfBlock(
        vec4<f16>(x.v0 * s), vec4<f16>(x.v1 * s), vec4<f16>(x.v2 * s), vec4<f16>(x.v3 * s),
        vec4<f16>(x.v4 * s), vec4<f16>(x.v5 * s), vec4<f16>(x.v6 * s), vec4<f16>(x.v7 * s),
        0.5 * bitcast<f32>(exponent),
    );
}

// Codes that stand in bits 0 to 9 and 16 to 25 of each word become 1024 + code by setting the exponent: nothing is converted.
fn codes_with_1024(words: vec2<u32>) -> vec4<f16> {
    let halves = words | vec2<u32>(0x64006400u);
    return vec4<f16>(vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y)));
}

fn half_sum(a: vec4<f16>) -> f32 {
    return dot(vec4<f32>(a), vec4<f32>(1.0));
}
