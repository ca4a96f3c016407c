// Q5_1 on the GPU: five-bit codes (lib/fives); two words a sub-block in `scales`: d low and m high, and the fifth bits.
#import fives

fn scales_of(i: u32) -> Scales {
    return half_scales(scales[i * 2u]);
}

fn planes_at(i: u32) -> u32 {
    return i * 2u + 1u;
}
