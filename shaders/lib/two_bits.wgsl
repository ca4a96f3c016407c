// The lower two bits of Q2_K's and Q3_K's codes: one vec4<u32> for two sub-blocks that follow each other, two planes each.
fn planes_of(i: u32) -> vec2<u32> {
    let pair = quants[(i >> 3u) * 4u + (i & 3u)];
    return select(pair.xy, pair.zw, (i & 4u) != 0u);
}
