// BF16 on the GPU: four vec4<u32> a sub-block, two a word, in order; a bfloat16 is the upper half of an f32.
#import quad_loop
#import scales

alias Prepared = Block;

fn prepare(x: Block) -> Prepared {
    return x;
}

// Two words → four weights.
fn widen(words: vec2<u32>) -> vec4<f32> {
    let low = bitcast<vec2<f32>>(words << vec2<u32>(16u));
    let high = bitcast<vec2<f32>>(words & vec2<u32>(0xffff0000u));
    return vec4<f32>(low.x, high.x, low.y, high.y);
}

fn scales_of(i: u32) -> Scales {
    return Scales();
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    let q0 = quants[i * 4u];
    let q1 = quants[i * 4u + 1u];
    let q2 = quants[i * 4u + 2u];
    let q3 = quants[i * 4u + 3u];
    return Block(widen(q0.xy), widen(q0.zw), widen(q1.xy), widen(q1.zw), widen(q2.xy), widen(q2.zw), widen(q3.xy), widen(q3.zw));
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return block_dot(row_unpack(i, d, m), x);
}
