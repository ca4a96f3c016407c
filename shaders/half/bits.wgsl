// Half floats of scales by moving their bits into an f32, for CPU adapters, where the built-in costs as much as twenty
// multiplications. Exact for every finite half, and no subnormal f32 occurs on the way: CPU adapters take those for zero.

// Two to the −14, the least normal half, as an f32's bits.
const LEAST_NORMAL: u32 = 0x38800000u;

fn halves_at_top(words: vec4<u32>) -> vec4<f32> {
    // The sign stays at the top, exponent and mantissa go three places down; what the shift copies of the sign is cut off.
    let magnitude = (words >> vec4<u32>(3u)) & vec4<u32>(0x0fffe000u);
    let normal = bitcast<vec4<f32>>(magnitude + vec4<u32>(0x38000000u));
    // The mantissa of a subnormal half counts in units of the least normal one's.
    let subnormal = bitcast<vec4<f32>>(magnitude + vec4<u32>(LEAST_NORMAL)) - bitcast<f32>(LEAST_NORMAL);
    let value = select(normal, subnormal, magnitude < vec4<u32>(0x00800000u));
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(value) | (words & vec4<u32>(0x80000000u)));
}

fn low_halves(words: vec4<u32>) -> vec4<f32> {
    return halves_at_top(words << vec4<u32>(16u));
}

fn high_halves(words: vec4<u32>) -> vec4<f32> {
    return halves_at_top(words);
}
