// MXFP4's exponents alone, a byte each (src/quant/mxfp4.rs).
#import half_power
#import repack_blocks

const BLOCK_BYTES: u32 = 1u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    scales[dst_block(dst_row, unit)] = half_power(stored_u8(byte));
}
