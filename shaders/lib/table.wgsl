// Four-bit codes that stand for the values of a table: one vec4<u32> a sub-block, the low nibbles of whose bytes are the first
// half and the high ones the second, and one word of scales: the bits of d as an f32. A format gives TABLE, sixteen signed
// bytes. Selecting and shifting needs no memory, which an array indexed by a code would be put into.
#import quad_rows
#import scales

alias Prepared = Block;

fn prepare(x: Block) -> Prepared {
    return x;
}

fn scales_of(i: u32) -> Scales {
    return Scales(bitcast<vec4<f32>>(scales[i]), vec4<f32>(0.0));
}

// The values of the codes in the lowest four bits.
fn looked_up(codes: vec4<u32>) -> vec4<f32> {
    let by_4 = (codes & vec4<u32>(4u)) != vec4<u32>(0u);
    let by_8 = (codes & vec4<u32>(8u)) != vec4<u32>(0u);
    let low = select(vec4<u32>(TABLE.x), vec4<u32>(TABLE.y), by_4);
    let high = select(vec4<u32>(TABLE.z), vec4<u32>(TABLE.w), by_4);
    // Byte 3 − n goes to the top, whence it comes down with its sign.
    let shift = ((codes & vec4<u32>(3u)) ^ vec4<u32>(3u)) << vec4<u32>(3u);
    return vec4<f32>(bitcast<vec4<i32>>(select(low, high, by_8) << shift) >> vec4<u32>(24u));
}

fn lower(word: u32) -> vec4<f32> {
    return looked_up(vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u));
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    let q = quants[i];
    return Block(
        lower(q.x) * d, lower(q.y) * d, lower(q.z) * d, lower(q.w) * d,
        lower(q.x >> 4u) * d, lower(q.y >> 4u) * d, lower(q.z >> 4u) * d, lower(q.w >> 4u) * d,
    );
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    return block_dot(row_unpack(i, d, m), x);
}
