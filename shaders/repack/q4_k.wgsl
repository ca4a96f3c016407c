// Q4_K: 144 bytes: d, dmin, scales and minima, nibbles (src/quant/q4_k.rs).
#import joined_nibbles
#import repack_blocks
#import repack_sub_scales

const BLOCK_BYTES: u32 = 144u;

fn put_words(dst: u32, a: vec2<u32>, b: vec2<u32>) {
    quants[dst * 4u] = a.x;
    quants[dst * 4u + 1u] = a.y;
    quants[dst * 4u + 2u] = b.x;
    quants[dst * 4u + 3u] = b.y;
}

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    repack_sub_scales(byte, unit, dst_row, 4u);
    for (var pair = 0u; pair < 4u; pair++) {
        let first = stored_words(byte + 16u + pair * 32u);
        let second = stored_words(byte + 32u + pair * 32u);
        put_words(dst_block(dst_row, unit * 8u + pair * 2u), joined_low_nibbles(first), joined_low_nibbles(second));
        put_words(dst_block(dst_row, unit * 8u + pair * 2u + 1u), joined_high_nibbles(first), joined_high_nibbles(second));
    }
}
