// 32-bit floats: a unit is one weight.
fn repack(row: u32, unit: u32, dst_row: u32) {
    let element = row * params.row_elements + unit;
    if (element < params.first || element >= params.end) {
        return;
    }
    let value = stored_u32(params.src_byte + (element - params.first) * 4u);
    look_at(value);
    quants[dst_block(dst_row, unit / 32u) * 32u + unit % 32u] = value;
}
