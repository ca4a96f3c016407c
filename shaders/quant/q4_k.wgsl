// Q4_K on the GPU: one vec4<u32> of nibbles a sub-block (lib/nibbles), and four words for eight of them (lib/sub_scales).
#import nibbles
#import sub_scales

fn scales_of(i: u32) -> Scales {
    return sub_scales((i >> 3u) * 4u, i & 7u);
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    return nibbles_unpack(quants[i], d, m);
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return d * nibbles_dot(quants[i], x) + m * x.sum;
}
