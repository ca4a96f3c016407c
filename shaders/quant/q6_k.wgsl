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

struct Words {
    q: vec4<u32>,
    // The upper two bits of the first half's codes, and of the second's.
    planes: vec2<u32>,
}

fn words_of(i: u32) -> Words {
    let at = (i >> 2u) * 3u;
    let row = i & 3u;
    return Words(quants[i], vec2<u32>(scales[at + 1u][row], scales[at + 2u][row]));
}

fn quad_words(i: u32) -> QuadWords {
    let a = scales[i * 3u + 1u];
    let b = scales[i * 3u + 2u];
    let q = i * 4u;
    return QuadWords(
        Words(quants[q], vec2<u32>(a.x, b.x)), Words(quants[q + 1u], vec2<u32>(a.y, b.y)),
        Words(quants[q + 2u], vec2<u32>(a.z, b.z)), Words(quants[q + 3u], vec2<u32>(a.w, b.w)),
    );
}

fn codes(words: Words) -> Codes {
    let four = vec4<u32>(4u);
    let a = (words.q & NIBBLES) | (twos(words.planes.x) << four);
    return Codes(a, ((words.q >> four) & NIBBLES) | (twos(words.planes.y) << four));
}

fn halves_of(d: f32, m: f32) -> Halves {
    let scale = vec2<f32>(d, m);
    return Halves(scale, -32.0 * scale);
}
