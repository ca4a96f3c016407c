// Q8_0: 34 bytes: d, 32 signed bytes (src/quant/q8_0.rs). The lower three bytes of each word become q + 128.
fn repack(row: u32, unit: u32, dst_row: u32) {
    let block = row * params.row_elements + unit;
    if (block < params.first || block >= params.end) {
        return;
    }
    let dst = dst_block(dst_row, unit);
    let byte = params.src_byte + (block - params.first) * 34u;
    for (var half = 0u; half < 2u; half++) {
        let words = stored_words(byte + 2u + half * 16u) ^ vec4<u32>(0x00808080u);
        let first = dst * 8u + half * 4u;
        quants[first] = words.x;
        quants[first + 1u] = words.y;
        quants[first + 2u] = words.z;
        quants[first + 3u] = words.w;
    }
    // As an f32: kernels have nothing to decode, and the word is there.
    let head = stored_u32(byte);
    look_at(head);
    scales[dst] = bitcast<u32>(unpack2x16float(head & 0xffffu).x);
}
