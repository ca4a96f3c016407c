// Q4_0 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: d in the low half.
#import nibbles

fn scales_of(i: u32) -> vec4<u32> {
    return scales[i];
}

fn row_unpack(i: u32, scale: u32) -> Block {
    let d = unpack2x16float(scale).x;
    return nibbles_unpack(quants[i], d, -8.0 * d);
}

fn row_dot(i: u32, scale: u32, x: Prepared) -> f32 {
    return unpack2x16float(scale).x * (nibbles_dot(quants[i], x) - 8.0 * x.sum);
}
