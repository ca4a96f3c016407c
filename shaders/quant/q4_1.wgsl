// Q4_1 on the GPU: one vec4<u32> of nibbles (lib/nibbles) and one word of scales a sub-block: d low, m high.
#import nibbles
#import scales

fn scales_of(i: u32) -> Scales {
    let s = scales[i];
    let a = unpack2x16float(s.x);
    let b = unpack2x16float(s.y);
    let c = unpack2x16float(s.z);
    let d = unpack2x16float(s.w);
    return Scales(vec4<f32>(a.x, b.x, c.x, d.x), vec4<f32>(a.y, b.y, c.y, d.y));
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    return nibbles_unpack(quants[i], d, m);
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return d * nibbles_dot(quants[i], x) + m * x.sum;
}
