// Q4_1 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: d low, m high.
#import nibbles

fn unpack(i: u32) -> Block {
    let s = unpack2x16float(scales[i]);
    return nibbles_unpack(quants[i], s.x, s.y);
}

fn dot_prepared(i: u32, x: Prepared) -> f32 {
    let s = unpack2x16float(scales[i]);
    return s.x * nibbles_dot(quants[i], x) + s.y * x.sum;
}
