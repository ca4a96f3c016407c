// Q4_K: 144 bytes: d, dmin, scales and minima, nibbles (src/quant/q4_k.rs).
#import repack_blocks
#import repack_sub_scales

const BLOCK_BYTES: u32 = 144u;

// Four nibbles, a byte each → 16 bits.
fn squeezed(word: u32) -> u32 {
    let pairs = (word | (word >> 4u)) & 0x00ff00ffu;
    return (pairs | (pairs >> 8u)) & 0xffffu;
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    repack_sub_scales(byte, unit, dst_row, 4u);
    for (var s = 0u; s < 8u; s++) {
        let dst = dst_block(dst_row, unit * 8u + s) * 4u;
        let first = byte + 16u + (s >> 1u) * 32u;
        let shift = (s & 1u) * 4u;
        for (var w = 0u; w < 4u; w++) {
            let low = (stored_u32(first + w * 8u) >> shift) & 0x0f0f0f0fu;
            let high = (stored_u32(first + w * 8u + 4u) >> shift) & 0x0f0f0f0fu;
            quants[dst + w] = (squeezed(low) | (squeezed(high) << 16u)) ^ 0x80000000u;
        }
    }
}
