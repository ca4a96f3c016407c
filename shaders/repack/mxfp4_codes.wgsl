// MXFP4's codes alone: 16 bytes of nibbles, byte i of which has weight 2 i low and 2 i + 1 high (src/quant/mxfp4.rs).
#import repack_blocks

const BLOCK_BYTES: u32 = 16u;

// Four nibbles, a byte each.
fn apart(nibbles: u32) -> u32 {
    return (nibbles & 0xfu) | ((nibbles & 0xf0u) << 4u) | ((nibbles & 0xf00u) << 8u) | ((nibbles & 0xf000u) << 12u);
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    let dst = dst_block(dst_row, unit);
    for (var w = 0u; w < 4u; w++) {
        let low = stored_u16(byte + w * 2u);
        let high = stored_u16(byte + 8u + w * 2u);
        quants[dst * 4u + w] = apart(low) | (apart(high) << 4u);
    }
}
