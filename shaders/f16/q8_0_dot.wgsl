// The dot product of quant/q8_0 in half floats (lib/f16).
#import f16_bytes

alias Prepared = HalfBlock;

fn prepare(x: Block) -> Prepared {
    return half_block(by_bytes(x));
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    // The lower three bytes are stored as q + 128; so is now the top one.
    let excess = vec4<u32>(0x80000000u);
    let a = quants[i * 2u] ^ excess;
    let b = quants[i * 2u + 1u] ^ excess;
    return d * (x.scale * (bytes_dot(a, 128.0h, x.h0, x.h1, x.h2, x.h3) + bytes_dot(b, 128.0h, x.h4, x.h5, x.h6, x.h7)));
}
