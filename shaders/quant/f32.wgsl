// F32 on the GPU: eight vec4<u32> a sub-block, the floats' bits.
#import quad_loop
#import scales

alias Prepared = Block;

fn prepare(x: Block) -> Prepared {
    return x;
}

fn scales_of(i: u32) -> Scales {
    return Scales();
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    let q = i * 8u;
    return Block(
        bitcast<vec4<f32>>(quants[q]), bitcast<vec4<f32>>(quants[q + 1u]),
        bitcast<vec4<f32>>(quants[q + 2u]), bitcast<vec4<f32>>(quants[q + 3u]),
        bitcast<vec4<f32>>(quants[q + 4u]), bitcast<vec4<f32>>(quants[q + 5u]),
        bitcast<vec4<f32>>(quants[q + 6u]), bitcast<vec4<f32>>(quants[q + 7u]),
    );
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return block_dot(row_unpack(i, d, m), x);
}
