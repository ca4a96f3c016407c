// Q8_0: 34 bytes: d, 32 signed bytes (src/quant/q8_0.rs). The lower three bytes of each word become q + 128.
fn repack(row: u32, unit: u32, dst_row: u32) {
    let block = row * params.row_elements + unit;
    if (block < params.first || block >= params.end) {
        return;
    }
    let dst = dst_block(dst_row, unit);
    let byte = params.src_byte + (block - params.first) * 34u;
    for (var w = 0u; w < 8u; w++) {
        quants[dst * 8u + w] = stored_u32(byte + 2u + w * 4u) ^ 0x00808080u;
    }
    // As an f32: kernels have nothing to decode, and the word is there.
    let head = stored_u32(byte);
    look_at(head);
    scales[dst] = bitcast<u32>(unpack2x16float(head & 0xffffu).x);
}
