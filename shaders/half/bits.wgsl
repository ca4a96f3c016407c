// Half floats of scales by moving their bits into an f32 and scaling the exponent by 2^112, for CPU adapters, where the
// built-in costs as much as twenty multiplications. Exact for every finite half where subnormal f32 are kept; the device is
// asked for that before this file is used (src/backend.rs).
const REBIAS: f32 = 5.192296858534828e33;

fn low_halves(words: vec4<u32>) -> vec4<f32> {
    let magnitude = (words & vec4<u32>(0x7fffu)) * vec4<u32>(8192u);
    return bitcast<vec4<f32>>(magnitude | ((words * vec4<u32>(65536u)) & vec4<u32>(0x80000000u))) * REBIAS;
}

fn high_halves(words: vec4<u32>) -> vec4<f32> {
    let magnitude = (words >> vec4<u32>(3u)) & vec4<u32>(0x0fffe000u);
    return bitcast<vec4<f32>>(magnitude | (words & vec4<u32>(0x80000000u))) * REBIAS;
}
