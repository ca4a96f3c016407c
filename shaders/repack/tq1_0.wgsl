// TQ1_0: 54 bytes: digits to the base three, d (src/quant/tq1_0.rs).
#import repack_ternary

const DIGIT_BYTES: u32 = 52u;

fn code_word(byte: u32, s: u32, w: u32) -> u32 {
    // Four weights that follow each other are the same digit of four bytes.
    let n = s * 32u + w * 4u;
    var first = n & 31u;
    var digit = s;
    if (n >= 240u) {
        first = 48u;
        digit = (n - 240u) >> 2u;
    } else if (n >= 160u) {
        first = 32u + (n & 15u);
        digit = (n - 160u) >> 4u;
    }
    var word = 0u;
    for (var j = 0u; j < 4u; j++) {
        var fraction = stored_u8(byte + first + j);
        for (var i = 0u; i < digit; i++) {
            fraction = (fraction * 3u) & 0xffu;
        }
        word |= ((fraction * 3u) >> 8u) << (j * 8u);
    }
    return word;
}
