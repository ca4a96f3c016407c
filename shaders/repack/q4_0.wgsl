// Q4_0: 18 bytes: d, 16 bytes of nibbles (src/quant/q4_0.rs).
#import repack/nibbles

fn repack(row: u32, unit: u32, dst_row: u32) {
    let block = row * params.row_elements + unit;
    if (block < params.first || block >= params.end) {
        return;
    }
    let dst = dst_block(dst_row, unit);
    let byte = params.src_byte + (block - params.first) * 18u;
    repack_nibbles(byte + 2u, dst);
    // As an f32: kernels have nothing to decode, and the word is there.
    let head = stored_u32(byte);
    look_at(head);
    scales[dst] = bitcast<u32>(unpack2x16float(head & 0xffffu).x);
}
