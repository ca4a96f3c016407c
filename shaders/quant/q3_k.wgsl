// Q3_K on the GPU: two bits of each code in `quants` (lib/two_bits), and twelve words for eight sub-blocks in `scales`. Of the
// first four, one has the scales of two sub-blocks, six bits for each of their halves, and in its upper byte the lower (even) or
// upper (odd) byte of d; then comes a plane of third bits for each sub-block.
#import codes
#import two_bits

fn scales_of(i: u32) -> Scales {
    let first = (i >> 3u) * 12u + ((i >> 1u) & 2u);
    let even = scales[first];
    let odd = scales[first + 1u];
    let d = half_scales((even >> vec4<u32>(24u)) | ((odd >> vec4<u32>(16u)) & vec4<u32>(0xff00u))).d;
    let pair = select(even, odd, (i & 2u) != 0u) >> vec4<u32>((i & 1u) * 12u);
    let six = vec4<u32>(63u);
    let a = bitcast<vec4<i32>>(pair & six) - 32;
    let b = bitcast<vec4<i32>>((pair >> vec4<u32>(6u)) & six) - 32;
    return Scales(d * vec4<f32>(a), d * vec4<f32>(b));
}

fn codes_of(i: u32) -> Codes {
    let planes = planes_of(i);
    let thirds = scales[(i >> 5u) * 12u + 4u + ((i >> 2u) & 7u)][i & 3u];
    let two = vec4<u32>(2u);
    return Codes(twos(planes.x) | (bits_a(thirds) << two), twos(planes.y) | (bits_b(thirds) << two));
}

fn halves_of(i: u32, d: f32, m: f32) -> Halves {
    let scale = vec2<f32>(d, m);
    return Halves(scale, -4.0 * scale);
}
