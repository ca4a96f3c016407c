// Q6_K: 210 bytes: nibbles, upper bits, scales, d (src/quant/q6_k.rs).
#import repack_codes

const BLOCK_BYTES: u32 = 210u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    let h = s >> 2u;
    let t = s & 3u;
    let nibbles = (stored_u32(byte + h * 64u + (t & 1u) * 32u + w * 4u) >> ((t >> 1u) * 4u)) & 0x0f0f0f0fu;
    return nibbles | (((stored_u32(byte + 128u + h * 32u + w * 4u) >> (t * 2u)) & 0x03030303u) << 4u);
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    for (var s = 0u; s < 8u; s++) {
        put_nibbles(byte, s, dst_block(dst_row, unit * 8u + s));
        let halves = stored_u16(byte + 192u + s * 2u);
        scales[scale_word(dst_row, unit, 24u, s * 3u)] = stored_u16(byte + 208u) | (halves << 16u);
        scales[scale_word(dst_row, unit, 24u, s * 3u + 1u)] = two_plane(byte, s, 0u, 4u);
        scales[scale_word(dst_row, unit, 24u, s * 3u + 2u)] = two_plane(byte, s, 4u, 4u);
    }
}
