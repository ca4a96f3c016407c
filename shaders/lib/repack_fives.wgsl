// Q5_0 and Q5_1: after HEAD_BYTES of scales, four bytes of fifth bits, then 16 of nibbles. A format gives scale_bits(byte).
#import repack_blocks

const BLOCK_BYTES: u32 = HEAD_BYTES + 20u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    copy_nibbles(byte + HEAD_BYTES + 4u, dst_block(dst_row, unit));
    let bits = stored_u32(byte + HEAD_BYTES);
    var plane = 0u;
    for (var w = 0u; w < 8u; w++) {
        // The multiplication brings bit j of four to bit 8 j, among others.
        plane |= ((((bits >> (w * 4u)) & 15u) * 0x204081u) & 0x01010101u) << w;
    }
    scales[scale_word(dst_row, unit, 2u, 0u)] = scale_bits(byte);
    scales[scale_word(dst_row, unit, 2u, 1u)] = plane;
}
