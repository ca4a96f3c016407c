// Q3_K on the GPU: two bits of each code in `quants` (lib/two_bits), and twelve words for eight sub-blocks in `scales` (lib/runs). Of
// the first four, one has the scales of two sub-blocks, six bits for each of their halves, and in its upper byte the lower (even) or
// upper (odd) byte of d; then comes a plane of third bits for each sub-block.
#import codes
#import runs
#import two_bits

struct Run {
    d: vec4<f32>,
    w0: vec4<u32>,
    w1: vec4<u32>,
    w2: vec4<u32>,
    w3: vec4<u32>,
}

fn factor_of(even: vec4<u32>, odd: vec4<u32>) -> vec4<f32> {
    return half_scales((even >> vec4<u32>(24u)) | ((odd >> vec4<u32>(16u)) & vec4<u32>(0xff00u))).d;
}

fn load_run(index: u32) -> Run {
    let first = index * 12u;
    let even = scales[first];
    let odd = scales[first + 1u];
    return Run(factor_of(even, odd), even, odd, scales[first + 2u], scales[first + 3u]);
}

fn times_six_bits(d: vec4<f32>, pair: vec4<u32>, s: u32) -> Scales {
    let words = pair >> vec4<u32>((s & 1u) * 12u);
    let six = vec4<u32>(63u);
    let a = bitcast<vec4<i32>>(words & six) - 32;
    let b = bitcast<vec4<i32>>((words >> vec4<u32>(6u)) & six) - 32;
    return Scales(d * vec4<f32>(a), d * vec4<f32>(b));
}

fn scales_in(run: Run, s: u32) -> Scales {
    return times_six_bits(run.d, word_of_pair(s, run.w0, run.w1, run.w2, run.w3), s);
}

fn scales_of(i: u32) -> Scales {
    let first = run_of(i) * 12u + ((i >> 1u) & 2u);
    let even = scales[first];
    let odd = scales[first + 1u];
    return times_six_bits(factor_of(even, odd), select(even, odd, (i & 2u) != 0u), i);
}

struct Words {
    planes: vec2<u32>,
    thirds: u32,
}

// The vec4 of a quad's planes of third bits.
fn thirds_at(i: u32) -> u32 {
    return run_of(i) * 12u + 4u + (i & 7u);
}

fn words_of(i: u32) -> Words {
    return Words(row_planes(i), scales[thirds_at(i >> 2u)][i & 3u]);
}

fn quad_words(i: u32) -> QuadWords {
    let a = quants[i * 2u];
    let b = quants[i * 2u + 1u];
    let thirds = scales[thirds_at(i)];
    return QuadWords(Words(a.xy, thirds.x), Words(a.zw, thirds.y), Words(b.xy, thirds.z), Words(b.zw, thirds.w));
}

fn codes(words: Words) -> Codes {
    let two = vec4<u32>(2u);
    let a = twos(words.planes.x) | (bits_a(words.thirds) << two);
    return Codes(a, twos(words.planes.y) | (bits_b(words.thirds) << two));
}

fn halves_of(d: f32, m: f32) -> Halves {
    let scale = vec2<f32>(d, m);
    return Halves(scale, -4.0 * scale);
}
