// IQ4_XS: 136 bytes: d, upper and lower bits of the scales, nibbles (src/quant/iq4_xs.rs).
#import repack_blocks

const BLOCK_BYTES: u32 = 136u;

fn repack_block(byte: u32, unit: u32, dst_row: u32) {
    let d = bitcast<f32>(stored_half(byte));
    let upper = stored_u16(byte + 2u);
    let low = stored_u32(byte + 4u);
    for (var s = 0u; s < 8u; s++) {
        let dst = dst_block(dst_row, unit * 8u + s);
        copy_nibbles(byte + 8u + s * 16u, dst);
        let scale = ((low >> (s * 4u)) & 15u) | (((upper >> (s * 2u)) & 3u) << 4u);
        scales[dst] = bitcast<u32>(d * (f32(scale) - 32.0));
    }
}
