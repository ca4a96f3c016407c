// BF16 on the GPU: four vec4<u32> a sub-block, two a word, in order; a bfloat16 is the upper half of an f32.
#import block

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

fn scales_of(i: u32) -> vec4<u32> {
    return vec4<u32>();
}

fn row_unpack(i: u32, scale: u32) -> Block {
    let a = quants[i * 4u];
    let b = quants[i * 4u + 1u];
    let c = quants[i * 4u + 2u];
    let d = quants[i * 4u + 3u];
    return Block(widen(a.xy), widen(a.zw), widen(b.xy), widen(b.zw), widen(c.xy), widen(c.zw), widen(d.xy), widen(d.zw));
}

fn row_dot(i: u32, scale: u32, x: Prepared) -> f32 {
    return block_dot(row_unpack(i, scale), x);
}
