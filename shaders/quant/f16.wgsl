// F16 on the GPU: four vec4<u32> a sub-block, two halves a word, in order.
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
    let q0 = quants[i * 4u];
    let q1 = quants[i * 4u + 1u];
    let q2 = quants[i * 4u + 2u];
    let q3 = quants[i * 4u + 3u];
    return Block(
        vec4<f32>(unpack2x16float(q0.x), unpack2x16float(q0.y)), vec4<f32>(unpack2x16float(q0.z), unpack2x16float(q0.w)),
        vec4<f32>(unpack2x16float(q1.x), unpack2x16float(q1.y)), vec4<f32>(unpack2x16float(q1.z), unpack2x16float(q1.w)),
        vec4<f32>(unpack2x16float(q2.x), unpack2x16float(q2.y)), vec4<f32>(unpack2x16float(q2.z), unpack2x16float(q2.w)),
        vec4<f32>(unpack2x16float(q3.x), unpack2x16float(q3.y)), vec4<f32>(unpack2x16float(q3.z), unpack2x16float(q3.w)),
    );
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return block_dot(row_unpack(i, d, m), x);
}
