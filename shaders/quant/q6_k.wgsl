// Q6_K on the GPU: one vec4<u32> of nibbles a sub-block, as lib/fives has them, and three words in `scales`: d low and the
// scales of the two halves high, a signed byte each; the upper two bits of the first half's codes, and of the second's.
#import codes

fn scales_of(i: u32) -> Scales {
    let words = scales[i * 3u];
    let d = half_scales(words).d;
    let signed = bitcast<vec4<i32>>(words);
    let byte = vec4<u32>(24u);
    return Scales(d * vec4<f32>((signed << vec4<u32>(8u)) >> byte), d * vec4<f32>(signed >> byte));
}

fn codes_of(i: u32) -> Codes {
    let q = quants[i];
    let at = (i >> 2u) * 3u;
    let row = i & 3u;
    let four = vec4<u32>(4u);
    return Codes(
        (q & NIBBLES) | (twos(scales[at + 1u][row]) << four),
        ((q >> four) & NIBBLES) | (twos(scales[at + 2u][row]) << four),
    );
}

fn halves_of(i: u32, d: f32, m: f32) -> Halves {
    let scale = vec2<f32>(d, m);
    return Halves(scale, -32.0 * scale);
}
