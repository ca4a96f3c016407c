// Q4_1: 20 bytes: d, m, 16 bytes of nibbles (src/quant/q4_1.rs).
#import repack/nibbles

fn repack(row: u32, unit: u32, dst_row: u32) {
    let block = row * params.row_elements + unit;
    if (block < params.first || block >= params.end) {
        return;
    }
    let dst = dst_block(dst_row, unit);
    let byte = params.src_byte + (block - params.first) * 20u;
    repack_nibbles(byte + 4u, dst);
    let head = stored_u32(byte);
    look_at(head);
    scales[dst] = head;
}
