// Ternary formats become Q2_K: w = d · 1 · q − d · 1. A format gives DIGIT_BYTES, after which its block has d, and code_word.
#import repack_codes

const BLOCK_BYTES: u32 = DIGIT_BYTES + 2u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    put_twos(byte, unit, dst_row);
    for (var s = 0u; s < 8u; s++) {
        scales[scale_word(dst_row, unit, 8u, s)] = 0x1111u | (stored_u16(byte + DIGIT_BYTES) << 16u);
    }
}
