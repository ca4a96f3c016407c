// Q2_K on the GPU: codes in `quants` (lib/two_bits), and five words for eight sub-blocks in `scales` (lib/runs): d low, dmin high;
// then a word for two sub-blocks, as it is in the file: a byte for each half of each, four bits of scale and four of minimum.
#import codes
#import runs
#import two_bits

struct Run {
    d: vec4<f32>,
    m: vec4<f32>,
    w0: vec4<u32>,
    w1: vec4<u32>,
    w2: vec4<u32>,
    w3: vec4<u32>,
}

fn load_run(index: u32) -> Run {
    let first = index * 5u;
    let factors = half_scales(scales[first]);
    return Run(factors.d, factors.m, scales[first + 1u], scales[first + 2u], scales[first + 3u], scales[first + 4u]);
}

// A half float leaves the lower bits of an f32 free: there go the two halves' bits of scale, and of minimum.
fn with_bits(d: vec4<f32>, m: vec4<f32>, pair: vec4<u32>, s: u32) -> Scales {
    let bytes = pair >> vec4<u32>((s & 1u) * 16u);
    let scale = (bytes & vec4<u32>(0x0fu)) | ((bytes >> vec4<u32>(4u)) & vec4<u32>(0xf0u));
    let minimum = ((bytes >> vec4<u32>(4u)) & vec4<u32>(0x0fu)) | ((bytes >> vec4<u32>(8u)) & vec4<u32>(0xf0u));
    return Scales(bitcast<vec4<f32>>(bitcast<vec4<u32>>(d) | scale), bitcast<vec4<f32>>(bitcast<vec4<u32>>(-m) | minimum));
}

fn scales_in(run: Run, s: u32) -> Scales {
    return with_bits(run.d, run.m, word_of_pair(s, run.w0, run.w1, run.w2, run.w3), s);
}

fn scales_of(i: u32) -> Scales {
    let first = run_of(i) * 5u;
    let factors = half_scales(scales[first]);
    return with_bits(factors.d, factors.m, scales[first + 1u + ((i >> 1u) & 3u)], i);
}

struct Words {
    planes: vec2<u32>,
}

fn words_of(i: u32) -> Words {
    return Words(row_planes(i));
}

fn quad_words(i: u32) -> QuadWords {
    let a = quants[i * 2u];
    let b = quants[i * 2u + 1u];
    return QuadWords(Words(a.xy), Words(a.zw), Words(b.xy), Words(b.zw));
}

fn codes(words: Words) -> Codes {
    return Codes(twos(words.planes.x), twos(words.planes.y));
}

fn halves_of(d: f32, m: f32) -> Halves {
    let both = vec2<u32>(bitcast<u32>(d), bitcast<u32>(m));
    let factors = bitcast<vec2<f32>>(both & vec2<u32>(0xffffff00u));
    let n = vec4<f32>(bitcast<vec4<i32>>((both.xxyy >> vec4<u32>(0u, 4u, 0u, 4u)) & vec4<u32>(15u)));
    return Halves(factors.x * n.xy, factors.y * n.zw);
}
