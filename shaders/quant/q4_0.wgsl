// Q4_0 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: the bits of d as an f32.
#import nibbles
#import scales

fn scales_of(i: u32) -> Scales {
    let d = bitcast<vec4<f32>>(scales[i]);
    return Scales(d, -8.0 * d);
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    return nibbles_unpack(quants[i], d, m);
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return d * nibbles_dot(quants[i], x) + m * x.sum;
}
