// Q3_K: 110 bytes: third bits, lower two bits, scales, d (src/quant/q3_k.rs).
#import repack_codes

const BLOCK_BYTES: u32 = 110u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    let twos = (stored_u32(byte + 32u + (s >> 2u) * 32u + w * 4u) >> ((s & 3u) * 2u)) & 0x03030303u;
    return twos | (((stored_u32(byte + w * 4u) >> s) & 0x01010101u) << 2u);
}

fn sub_scale(byte: u32, k: u32) -> u32 {
    let low = (stored_u8(byte + 96u + (k & 7u)) >> ((k >> 3u) * 4u)) & 15u;
    return low | (((stored_u8(byte + 104u + (k & 3u)) >> ((k >> 2u) * 2u)) & 3u) << 4u);
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    put_twos(byte, unit, dst_row);
    for (var s = 0u; s < 8u; s++) {
        scales[scale_word(dst_row, unit, 12u, 4u + s)] = bit_plane(byte, s, 2u);
    }
    for (var pair = 0u; pair < 4u; pair++) {
        var word = stored_u8(byte + 108u + (pair & 1u)) << 24u;
        for (var j = 0u; j < 4u; j++) {
            word |= sub_scale(byte, pair * 4u + j) << (j * 6u);
        }
        scales[scale_word(dst_row, unit, 12u, pair)] = word;
    }
}
