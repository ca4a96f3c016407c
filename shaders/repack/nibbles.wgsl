// ggml's 4-bit order (byte i: weight i low, weight i + 16 high) → ours (word w, nibble j: weight 8 w + j; lib/nibbles.wgsl).
fn stored_nibble(first_byte: u32, weight: u32) -> u32 {
    return (stored_u8(first_byte + (weight & 15u)) >> ((weight >> 4u) * 4u)) & 15u;
}

fn repack_nibbles(first_byte: u32, dst: u32) {
    for (var w = 0u; w < 4u; w++) {
        var word = 0u;
        for (var j = 0u; j < 8u; j++) {
            word |= stored_nibble(first_byte, w * 8u + j) << (j * 4u);
        }
        quants[dst * 4u + w] = word ^ 0x80000000u;
    }
}
