// Q5_1: 24 bytes: d, m, fifth bits, nibbles (src/quant/q5_1.rs).
#import repack_fives

const HEAD_BYTES: u32 = 4u;

fn scale_bits(byte: u32) -> u32 {
    return stored_u32(byte);
}
