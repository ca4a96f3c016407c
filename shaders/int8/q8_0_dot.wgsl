// The dot product of quant/q8_0 with activations in bytes (lib/int8).
#import int8

alias Prepared = Int8;

fn prepare(x: Block) -> Prepared {
    return int8_block(x);
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    // The lower three bytes are stored as q + 128.
    let excess = vec4<u32>(0x00808080u);
    return d * (x.scale * f32(int8_dot(quants[i * 2u] ^ excess, x.a) + int8_dot(quants[i * 2u + 1u] ^ excess, x.b)));
}
