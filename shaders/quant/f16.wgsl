// F16 on the GPU: four vec4<u32> a sub-block, two halves a word, in order.
#import block

alias Prepared = Block;

fn prepare(x: Block) -> Prepared {
    return x;
}

fn scales_of(i: u32) -> vec4<u32> {
    return vec4<u32>();
}

fn row_unpack(i: u32, scale: u32) -> Block {
    let a = quants[i * 4u];
    let b = quants[i * 4u + 1u];
    let c = quants[i * 4u + 2u];
    let d = quants[i * 4u + 3u];
    return Block(
        vec4<f32>(unpack2x16float(a.x), unpack2x16float(a.y)), vec4<f32>(unpack2x16float(a.z), unpack2x16float(a.w)),
        vec4<f32>(unpack2x16float(b.x), unpack2x16float(b.y)), vec4<f32>(unpack2x16float(b.z), unpack2x16float(b.w)),
        vec4<f32>(unpack2x16float(c.x), unpack2x16float(c.y)), vec4<f32>(unpack2x16float(c.z), unpack2x16float(c.w)),
        vec4<f32>(unpack2x16float(d.x), unpack2x16float(d.y)), vec4<f32>(unpack2x16float(d.z), unpack2x16float(d.w)),
    );
}

fn row_dot(i: u32, scale: u32, x: Prepared) -> f32 {
    return block_dot(row_unpack(i, scale), x);
}
