// Q4_K: 144 bytes: d, dmin, scales and minima, nibbles (src/quant/q4_k.rs).
#import repack_blocks
#import repack_sub_scales
#import squeezed

const BLOCK_BYTES: u32 = 144u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    repack_sub_scales(byte, unit, dst_row, 4u);
    // 32 bytes have two sub-blocks: one's weights are the low nibbles, in order.
    for (var pair = 0u; pair < 4u; pair++) {
        let first = stored_words(byte + 16u + pair * 32u);
        let second = stored_words(byte + 32u + pair * 32u);
        for (var s = 0u; s < 2u; s++) {
            let shift = vec4<u32>(s * 4u);
            let a = squeezed((first >> shift) & vec4<u32>(0x0f0f0f0fu));
            let b = squeezed((second >> shift) & vec4<u32>(0x0f0f0f0fu));
            let dst = dst_block(dst_row, unit * 8u + pair * 2u + s) * 4u;
            quants[dst] = a.x;
            quants[dst + 1u] = a.y;
            quants[dst + 2u] = b.x;
            quants[dst + 3u] = b.y;
        }
    }
}
