// The lower two bits of Q2_K's and Q3_K's codes: two planes of a row's sub-block, beside those of the next row.
fn row_planes(i: u32) -> vec2<u32> {
    let pair = quants[i >> 1u];
    return select(pair.xy, pair.zw, (i & 1u) != 0u);
}
