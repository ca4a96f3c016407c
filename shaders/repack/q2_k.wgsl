// Q2_K: 84 bytes: scales and minima, codes, d, dmin (src/quant/q2_k.rs).
#import repack_codes

const BLOCK_BYTES: u32 = 84u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    return (stored_u32(byte + 16u + (s >> 2u) * 32u + w * 4u) >> ((s & 3u) * 2u)) & 0x03030303u;
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    put_twos(byte, unit, dst_row);
    scales[scale_word(dst_row, unit, 5u, 0u)] = stored_u32(byte + 80u);
    for (var pair = 0u; pair < 4u; pair++) {
        scales[scale_word(dst_row, unit, 5u, 1u + pair)] = stored_u32(byte + pair * 4u);
    }
}
