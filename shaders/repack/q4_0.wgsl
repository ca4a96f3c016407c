// Q4_0: 18 bytes: d, 16 bytes of nibbles (src/quant/q4_0.rs).
#import repack/nibbles

fn repack(row: u32, unit: u32, dst_block: u32) {
    let block = row * params.row_elements + unit;
    if (block < params.first || block >= params.end) {
        return;
    }
    let byte = params.src_byte + (block - params.first) * 18u;
    repack_nibbles(byte + 2u, dst_block + unit);
    scales[dst_block + unit] = stored_u16(byte);
}
