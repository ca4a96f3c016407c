// Q5_0: 22 bytes: d, fifth bits, nibbles (src/quant/q5_0.rs).
#import repack_fives

const HEAD_BYTES: u32 = 2u;

fn scale_bits(byte: u32) -> u32 {
    return stored_half(byte);
}
