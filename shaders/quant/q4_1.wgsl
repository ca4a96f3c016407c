// Q4_1 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: d low, m high.
#import nibbles

fn scales_of(i: u32) -> vec4<u32> {
    return scales[i];
}

fn row_unpack(i: u32, scale: u32) -> Block {
    let s = unpack2x16float(scale);
    return nibbles_unpack(quants[i], s.x, s.y);
}

fn row_dot(i: u32, scale: u32, x: Prepared) -> f32 {
    let s = unpack2x16float(scale);
    return s.x * nibbles_dot(quants[i], x) + s.y * x.sum;
}
