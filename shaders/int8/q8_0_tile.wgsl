// int8/q8_0_dot, and rows of quant/q8_0 as signed bytes.
#import int8/q8_0_dot
#import int8_tile

fn row_bytes(i: u32, d: f32, m: f32) -> RowBytes {
    let excess = vec4<u32>(0x00808080u);
    return RowBytes(quants[i * 2u] ^ excess, quants[i * 2u + 1u] ^ excess, vec4<f32>(d, d, 0.0, 0.0));
}
