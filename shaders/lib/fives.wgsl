// Five-bit codes: one vec4<u32> a sub-block, the low nibbles of whose bytes are the first half and the high ones the second, and
// one word of fifth bits, plane_of(i), which a format gives together with scales_of.
#import codes

fn codes_of(i: u32) -> Codes {
    let q = quants[i];
    let plane = plane_of(i);
    let four = vec4<u32>(4u);
    return Codes((q & NIBBLES) | (bits_a(plane) << four), ((q >> four) & NIBBLES) | (bits_b(plane) << four));
}

fn halves_of(i: u32, d: f32, m: f32) -> Halves {
    return Halves(vec2<f32>(d), vec2<f32>(m));
}
