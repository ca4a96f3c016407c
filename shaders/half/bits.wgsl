// Half floats of scales by moving their bits into an f32 and scaling the exponent by 2^112, for CPU adapters, where the
// built-in costs as much as twenty multiplications. Exact for every finite half where subnormal f32 are kept; the device is
// asked for that before this file is used (src/backend.rs).
const REBIAS: f32 = 5.192296858534828e33;

// The sign stays at the top, exponent and mantissa go three places down; what the shift copies of the sign is cut off.
fn halves_at_top(words: vec4<u32>) -> vec4<f32> {
    let moved = bitcast<vec4<u32>>(bitcast<vec4<i32>>(words) >> vec4<u32>(3u)) & vec4<u32>(0x8fffe000u);
    return bitcast<vec4<f32>>(moved) * REBIAS;
}

fn low_halves(words: vec4<u32>) -> vec4<f32> {
    return halves_at_top(words << vec4<u32>(16u));
}

fn high_halves(words: vec4<u32>) -> vec4<f32> {
    return halves_at_top(words);
}
