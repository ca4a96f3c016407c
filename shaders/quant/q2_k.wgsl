// Q2_K on the GPU: codes in `quants` (lib/two_bits), and a word of scales a sub-block: for each half of it four bits of scale
// and four of minimum, and d (even sub-blocks) or dmin (odd) in the word's upper half.
#import codes
#import two_bits

fn scales_of(i: u32) -> Scales {
    let d = half_scales(scales[i & 0xfffffffeu]).m;
    return Scales(d, -half_scales(scales[i | 1u]).m);
}

fn codes_of(i: u32) -> Codes {
    let planes = planes_of(i);
    return Codes(twos(planes.x), twos(planes.y));
}

fn halves_of(i: u32, d: f32, m: f32) -> Halves {
    let word = scales[i >> 2u][i & 3u];
    let n = vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 4u, 12u)) & vec4<u32>(15u));
    return Halves(d * n.xy, m * n.zw);
}
