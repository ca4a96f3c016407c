// MXFP4: 17 bytes: an exponent, nibbles (src/quant/mxfp4.rs).
#import half_power
#import repack_blocks

const BLOCK_BYTES: u32 = 17u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    let dst = dst_block(dst_row, unit);
    copy_nibbles(byte + 1u, dst);
    scales[dst] = half_power(stored_u8(byte));
}
