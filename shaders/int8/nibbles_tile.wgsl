// int8/nibbles_dot, and rows of lib/nibbles as bytes: even nibbles, then odd ones.
#import int8/nibbles_dot
#import int8_tile

fn row_bytes(i: u32, d: f32, m: f32) -> RowBytes {
    let n = quants[i] ^ vec4<u32>(0x80000000u);
    let nibbles = vec4<u32>(0x0f0f0f0fu);
    return RowBytes(n & nibbles, (n >> vec4<u32>(4u)) & nibbles, vec4<f32>(d, d, m, m));
}
