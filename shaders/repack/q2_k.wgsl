// Q2_K: 84 bytes: scales and minima, codes, d, dmin (src/quant/q2_k.rs).
#import repack_codes

const BLOCK_BYTES: u32 = 84u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    return (stored_u32(byte + 16u + (s >> 2u) * 32u + w * 4u) >> ((s & 3u) * 2u)) & 0x03030303u;
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    put_twos(byte, unit, dst_row);
    for (var s = 0u; s < 8u; s++) {
        let factor = stored_u16(byte + 80u + (s & 1u) * 2u);
        scales[scale_word(dst_row, unit, 8u, s)] = stored_u16(byte + s * 2u) | (factor << 16u);
    }
}
