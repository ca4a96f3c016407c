// A float matrix that is stored by columns, into one of 32-bit floats: a unit is one weight, `row` its column, `unit` its row.
fn repack(row: u32, unit: u32, dst_row: u32) {
    let element = row * params.row_elements + unit;
    if (element < params.first || element >= params.end) {
        return;
    }
    let i = element - params.first;
    var value = 0u;
    if (params.stored == 0u) {
        value = stored_u32(params.src_byte + i * 4u);
    } else {
        value = stored_u16(params.src_byte + i * 2u);
    }
    look_at(value);
    if (params.stored == 1u) {
        value = bitcast<u32>(unpack2x16float(value).x);
    } else if (params.stored == 2u) {
        value = value << 16u;
    }
    quants[dst_block(dst_row, row / 32u) * 32u + row % 32u] = value;
}
