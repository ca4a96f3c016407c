// IQ4_NL: 18 bytes: d, nibbles (src/quant/iq4_nl.rs).
#import repack_blocks

const BLOCK_BYTES: u32 = 18u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    let dst = dst_block(dst_row, unit);
    copy_nibbles(byte + 2u, dst);
    scales[dst] = stored_half(byte);
}
