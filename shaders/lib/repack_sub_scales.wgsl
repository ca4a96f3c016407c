// Q4_K's and Q5_K's d, dmin and 12 bytes of scales and minima (src/quant/q4_k.rs) → the first four of the block's `n_words`
// (lib/sub_scales.wgsl).
fn repack_sub_scales(byte: u32, unit: u32, dst_row: u32, n_words: u32) {
    var low_scales = 0u;
    var low_minima = 0u;
    var upper = 0u;
    for (var s = 0u; s < 4u; s++) {
        let scale = stored_u8(byte + 4u + s);
        let minimum = stored_u8(byte + 8u + s);
        let both = stored_u8(byte + 12u + s);
        // Of sub-blocks s and s + 4.
        let low = s * 4u;
        let high = low + 16u;
        low_scales |= ((scale & 15u) << low) | ((both & 15u) << high);
        low_minima |= ((minimum & 15u) << low) | ((both >> 4u) << high);
        upper |= (((scale >> 4u) & 3u) << low) | ((scale >> 6u) << high);
        upper |= (((minimum >> 4u) & 3u) << (low + 2u)) | ((minimum >> 6u) << (high + 2u));
    }
    scales[scale_word(dst_row, unit, n_words, 0u)] = stored_u32(byte);
    scales[scale_word(dst_row, unit, n_words, 1u)] = low_scales;
    scales[scale_word(dst_row, unit, n_words, 2u)] = low_minima;
    scales[scale_word(dst_row, unit, n_words, 3u)] = upper;
}
