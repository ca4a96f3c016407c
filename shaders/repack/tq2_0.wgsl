// TQ2_0: 66 bytes: codes, d (src/quant/tq2_0.rs).
#import repack_ternary

const DIGIT_BYTES: u32 = 64u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    return (stored_u32(byte + (s >> 2u) * 32u + w * 4u) >> ((s & 3u) * 2u)) & 0x03030303u;
}
