// Formats that are repacked a stored block at a time. A format gives BLOCK_BYTES and repack_block(byte, unit, dst_row): the block
// at `byte` of `staging`, the unit-th of its row.
fn repack(row: u32, unit: u32, dst_row: u32) {
    let block = row * params.row_elements + unit;
    if (block >= params.first && block < params.end) {
        let byte = params.src_byte + (block - params.first) * BLOCK_BYTES;
        look_at_block(byte);
        repack_block(byte, unit, dst_row);
    }
}

// The half float at `byte`, as an f32's bits.
fn stored_half(byte: u32) -> u32 {
    return bitcast<u32>(unpack2x16float(stored_u16(byte)).x);
}

// 16 bytes of nibbles as they are: byte i has weight i low and weight i + 16 high.
fn copy_nibbles(byte: u32, dst: u32) {
    let words = stored_words(byte);
    quants[dst * 4u] = words.x;
    quants[dst * 4u + 1u] = words.y;
    quants[dst * 4u + 2u] = words.z;
    quants[dst * 4u + 3u] = words.w;
}
