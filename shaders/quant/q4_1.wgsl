// Q4_1 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: d low, m high.
#import nibbles
#import scales

fn scales_of(i: u32) -> Scales {
    return half_scales(scales[i]);
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    return nibbles_unpack(quants[i], d, m);
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return d * nibbles_dot(quants[i], x) + m * x.sum;
}
