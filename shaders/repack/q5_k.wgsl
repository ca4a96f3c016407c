// Q5_K: 176 bytes: d, dmin, scales and minima, fifth bits, nibbles (src/quant/q5_k.rs).
#import repack_codes
#import repack_sub_scales

const BLOCK_BYTES: u32 = 176u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    let nibbles = (stored_u32(byte + 48u + (s >> 1u) * 32u + w * 4u) >> ((s & 1u) * 4u)) & 0x0f0f0f0fu;
    return nibbles | (((stored_u32(byte + 16u + w * 4u) >> s) & 0x01010101u) << 4u);
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    repack_sub_scales(byte, unit, dst_row, 12u);
    for (var s = 0u; s < 8u; s++) {
        put_nibbles(byte, s, dst_block(dst_row, unit * 8u + s));
        scales[scale_word(dst_row, unit, 12u, 4u + s)] = bit_plane(byte, s, 4u);
    }
}
