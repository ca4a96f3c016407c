// 16-bit floats: a unit is the two weights of a word. A slice may hold only one of them; the other stays as it is.
fn repack(row: u32, unit: u32, dst_row: u32) {
    let element = row * params.row_elements + unit * 2u;
    let word = dst_block(dst_row, unit / 16u) * 16u + unit % 16u;
    var value = quants[word];
    if (element >= params.first && element < params.end) {
        value = (value & 0xffff0000u) | stored_u16(params.src_byte + (element - params.first) * 2u);
    }
    if (unit * 2u + 1u < params.row_elements && element + 1u >= params.first && element + 1u < params.end) {
        value = (value & 0xffffu) | (stored_u16(params.src_byte + (element + 1u - params.first) * 2u) << 16u);
    }
    look_at(value);
    quants[word] = value;
}
