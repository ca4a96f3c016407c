// Formats of 256 weights a block. Besides what lib/repack_blocks asks for, a format gives code_word(byte, s, w): the codes of
// weights 4 w to 4 w + 3 of sub-block s of the block at `byte`, a byte each.
#import repack_blocks

// The low nibbles of all codes of a sub-block, as copy_nibbles leaves them.
fn put_nibbles(byte: u32, s: u32, dst: u32) {
    for (var w = 0u; w < 4u; w++) {
        let low = code_word(byte, s, w) & 0x0f0f0f0fu;
        quants[dst * 4u + w] = low | ((code_word(byte, s, w + 4u) & 0x0f0f0f0fu) << 4u);
    }
}

// The plane of the codes' bit `bit` (lib/codes.wgsl).
fn bit_plane(byte: u32, s: u32, bit: u32) -> u32 {
    var plane = 0u;
    for (var w = 0u; w < 8u; w++) {
        plane |= ((code_word(byte, s, w) >> bit) & 0x01010101u) << w;
    }
    return plane;
}

// The plane of bits `bit` and `bit + 1` of the half that begins at word `first`.
fn two_plane(byte: u32, s: u32, first: u32, bit: u32) -> u32 {
    var plane = 0u;
    for (var w = 0u; w < 4u; w++) {
        plane |= ((code_word(byte, s, first + w) >> bit) & 0x03030303u) << (w * 2u);
    }
    return plane;
}

// Codes of two bits: two planes of each sub-block (lib/two_bits.wgsl).
fn put_twos(byte: u32, unit: u32, dst_row: u32) {
    for (var s = 0u; s < 8u; s++) {
        let word = dst_block(dst_row, unit * 8u + s) * 2u;
        quants[word] = two_plane(byte, s, 0u, 0u);
        quants[word + 1u] = two_plane(byte, s, 4u, 0u);
    }
}
