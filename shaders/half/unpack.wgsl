// Half floats of scales by the built-in, which real GPUs have in hardware.
fn low_halves(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        unpack2x16float(words.x).x, unpack2x16float(words.y).x, unpack2x16float(words.z).x, unpack2x16float(words.w).x,
    );
}

fn high_halves(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(
        unpack2x16float(words.x).y, unpack2x16float(words.y).y, unpack2x16float(words.z).y, unpack2x16float(words.w).y,
    );
}
