// int8/codes_dot, and rows of lib/codes as bytes.
#import int8/codes_dot
#import int8_tile

fn row_bytes(i: u32, d: f32, m: f32) -> RowBytes {
    let q = codes(words_of(i));
    let h = halves_of(d, m);
    return RowBytes(q.a, q.b, vec4<f32>(h.d, h.m));
}
