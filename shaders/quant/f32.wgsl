// F32 on the GPU: eight vec4<u32> a sub-block, the floats' bits.
#import block

alias Prepared = Block;

fn prepare(x: Block) -> Prepared {
    return x;
}

fn unpack(i: u32) -> Block {
    let q = i * 8u;
    return Block(
        bitcast<vec4<f32>>(quants[q]), bitcast<vec4<f32>>(quants[q + 1u]),
        bitcast<vec4<f32>>(quants[q + 2u]), bitcast<vec4<f32>>(quants[q + 3u]),
        bitcast<vec4<f32>>(quants[q + 4u]), bitcast<vec4<f32>>(quants[q + 5u]),
        bitcast<vec4<f32>>(quants[q + 6u]), bitcast<vec4<f32>>(quants[q + 7u]),
    );
}

fn dot_prepared(i: u32, x: Prepared) -> f32 {
    return block_dot(unpack(i), x);
}
