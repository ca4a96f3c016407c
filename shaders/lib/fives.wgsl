// Five-bit codes: one vec4<u32> a sub-block, the low nibbles of whose bytes are the first half and the high ones the second, and
// one word of fifth bits. A format gives planes_at(i), which vec4 of `scales` has a quad's words of fifth bits, with scales_of.
#import codes

struct Words {
    q: vec4<u32>,
    plane: u32,
}

fn words_of(i: u32) -> Words {
    return Words(quants[i], scales[planes_at(i >> 2u)][i & 3u]);
}

fn quad_words(i: u32) -> QuadWords {
    let plane = scales[planes_at(i)];
    let q = i * 4u;
    return QuadWords(
        Words(quants[q], plane.x), Words(quants[q + 1u], plane.y), Words(quants[q + 2u], plane.z), Words(quants[q + 3u], plane.w),
    );
}

fn codes(words: Words) -> Codes {
    let four = vec4<u32>(4u);
    let a = (words.q & NIBBLES) | (bits_a(words.plane) << four);
    return Codes(a, ((words.q >> four) & NIBBLES) | (bits_b(words.plane) << four));
}

fn halves_of(d: f32, m: f32) -> Halves {
    return Halves(vec2<f32>(d), vec2<f32>(m));
}
