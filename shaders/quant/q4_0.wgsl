// Q4_0 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: d in the low half.
#import nibbles

fn unpack(i: u32) -> Block {
    let d = unpack2x16float(scales[i]).x;
    return nibbles_unpack(quants[i], d, -8.0 * d);
}

fn dot_prepared(i: u32, x: Prepared) -> f32 {
    return unpack2x16float(scales[i]).x * (nibbles_dot(quants[i], x) - 8.0 * x.sum);
}
