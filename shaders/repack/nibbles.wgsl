// ggml's 4-bit order (byte i: weight i low, weight i + 16 high) → ours (word w, nibble j: weight 8 w + j; lib/nibbles.wgsl).
#import joined_nibbles

fn repack_nibbles(first_byte: u32, dst: u32) {
    let bytes = stored_words(first_byte);
    let low = joined_low_nibbles(bytes);
    let high = joined_high_nibbles(bytes);
    quants[dst * 4u] = low.x;
    quants[dst * 4u + 1u] = low.y;
    quants[dst * 4u + 2u] = high.x;
    quants[dst * 4u + 3u] = high.y;
}
