// Q4_K on the GPU: one vec4<u32> of nibbles a sub-block (lib/nibbles), and four words for eight of them (lib/sub_scales).
#import nibbles
#import sub_scales

const RUN_WORDS: u32 = 4u;

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    return nibbles_unpack(quants[i], d, m);
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return d * nibbles_dot(quants[i], x) + m * x.sum;
}

fn scaled_quad_dot(i: u32, s: Scales, x: Prepared) -> vec4<f32> {
    let q = i * 4u;
    return vec4<f32>(
        row_dot(q, s.d.x, s.m.x, x), row_dot(q + 1u, s.d.y, s.m.y, x),
        row_dot(q + 2u, s.d.z, s.m.z, x), row_dot(q + 3u, s.d.w, s.m.w, x),
    );
}
