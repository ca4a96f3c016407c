// Q5_0 on the GPU: five-bit codes (lib/fives); two words a sub-block in `scales`: the bits of d as an f32, and the fifth bits.
#import fives

fn scales_of(i: u32) -> Scales {
    let d = bitcast<vec4<f32>>(scales[i * 2u]);
    return Scales(d, -16.0 * d);
}

fn planes_at(i: u32) -> u32 {
    return i * 2u + 1u;
}
