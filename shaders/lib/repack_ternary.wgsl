// Ternary formats become Q2_K: w = d · 1 · q − d · 1. A format gives DIGIT_BYTES, after which its block has d, and code_word.
#import repack_codes

const BLOCK_BYTES: u32 = DIGIT_BYTES + 2u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    put_twos(byte, unit, dst_row);
    scales[scale_word(dst_row, unit, 5u, 0u)] = stored_u16(byte + DIGIT_BYTES) * 0x10001u;
    for (var pair = 0u; pair < 4u; pair++) {
        scales[scale_word(dst_row, unit, 5u, 1u + pair)] = 0x11111111u;
    }
}
