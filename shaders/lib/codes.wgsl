// Formats whose codes are put together to a byte each (lib/bytes), at most seven bits, so that no word is negative. A format
// gives scales_of, a struct Words of what a row has of a sub-block, and
//   words_of(i)      those of row-block i (lib/quads)
//   quad_words(i)    those of the four rows of a quad at sub-block i, with as few loads as that takes
//   codes(words)     the 32 codes
//   halves_of(d, m)  the scales of the two halves, of what scales_of gave for the row
#import bytes
#import codes_dot
#import quad_codes
#import scales

struct QuadWords {
    r0: Words,
    r1: Words,
    r2: Words,
    r3: Words,
}

// Byte j of word w of `a` is weight 4 w + j, of `b` weight 16 + 4 w + j.
struct Codes {
    a: vec4<u32>,
    b: vec4<u32>,
}

// Weight = d · code + m, by halves.
struct Halves {
    d: vec2<f32>,
    m: vec2<f32>,
}

const NIBBLES: vec4<u32> = vec4<u32>(0x0f0f0f0fu);

// Planes hold some bits of each code. Of a plane of single bits, one word a sub-block, bit w of byte j belongs to byte j of word
// w, where b's words are 4 to 7; of a plane of two bits, one word a half, bits 2 w and 2 w + 1 do.
fn bits_a(plane: u32) -> vec4<u32> {
    return (vec4<u32>(plane) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(0x01010101u);
}

fn bits_b(plane: u32) -> vec4<u32> {
    return bits_a(plane >> 4u);
}

fn twos(plane: u32) -> vec4<u32> {
    return (vec4<u32>(plane) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(0x03030303u);
}

fn row_unpack(i: u32, d: f32, m: f32) -> Block {
    let q = codes(words_of(i));
    let h = halves_of(d, m);
    let s = BYTE_SCALE * h.d.x;
    let t = BYTE_SCALE * h.d.y;
    return Block(
        bytes_of(q.a.x) * s + h.m.x, bytes_of(q.a.y) * s + h.m.x, bytes_of(q.a.z) * s + h.m.x, bytes_of(q.a.w) * s + h.m.x,
        bytes_of(q.b.x) * t + h.m.y, bytes_of(q.b.y) * t + h.m.y, bytes_of(q.b.z) * t + h.m.y, bytes_of(q.b.w) * t + h.m.y,
    );
}
