// Q8_0 on the GPU: two vec4<u32> of bytes and one word of scales (the bits of d as an f32) a sub-block. Word w, byte j is weight
// 4 w + j. The lower three bytes are stored as q + 128, the top one as the signed q, so that a masked word converts to
// float without shifts; the activations carry the 256^−j (lib/q8_0_dot).
#import bytes
#import q8_0_dot
#import quad_rows
#import scales

fn scales_of(i: u32) -> Scales {
    return Scales(bitcast<vec4<f32>>(scales[i]), vec4<f32>(0.0));
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    let a = quants[i * 2u];
    let b = quants[i * 2u + 1u];
    let s = BYTE_SCALE * d;
    let o = vec4<f32>(-128.0, -128.0, -128.0, 0.0) * d;
    return Block(
        bytes_of(a.x) * s + o, bytes_of(a.y) * s + o, bytes_of(a.z) * s + o, bytes_of(a.w) * s + o,
        bytes_of(b.x) * s + o, bytes_of(b.y) * s + o, bytes_of(b.z) * s + o, bytes_of(b.w) * s + o,
    );
}
