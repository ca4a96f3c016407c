// The largest magnitude of a sub-block, as bits. Magnitudes are compared as integers, by which NaN is the largest: it stays in what
// is made of the largest, where a maximum of floats may drop it.
#import block

// 2⁻¹⁰⁰: what has no larger value counts as zeros, and nothing is divided by zero.
const LEAST_BITS: u32 = 0x0d800000u;

fn magnitude_bits(x: vec4<f32>) -> vec4<u32> {
    return bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
}

fn largest_bits(x: Block) -> u32 {
    let all = max(
        max(max(magnitude_bits(x.v0), magnitude_bits(x.v1)), max(magnitude_bits(x.v2), magnitude_bits(x.v3))),
        max(max(magnitude_bits(x.v4), magnitude_bits(x.v5)), max(magnitude_bits(x.v6), magnitude_bits(x.v7))),
    );
    return max(max(max(all.x, all.y), max(all.z, all.w)), LEAST_BITS);
}
