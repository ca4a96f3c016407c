// 32 four-bit weights in one vec4<u32>: word w, nibble j is weight 8 w + j. The top nibble of each word is stored with its
// highest bit flipped, so that the word read as i32 has n − 8 there: the masked word converts to float without a shift,
// and the activations carry the 16^−j instead (`prepare`). Shifts are the dearest integer operation on CPU adapters.
#import block
#import nibbles_dot
#import quad_rows

const LOW_MASK: vec4<u32> = vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
const HIGH_MASK: vec4<u32> = vec4<u32>(0xf0000u, 0xf00000u, 0xf000000u, 0xf0000000u);
const LOW_SCALE: vec4<f32> = vec4<f32>(1.0, 0.0625, 0.00390625, 0.000244140625);
const HIGH_SCALE: vec4<f32> = vec4<f32>(1.52587890625e-5, 9.5367431640625e-7, 5.9604644775390625e-8, 3.7252902984619141e-9);

fn low_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) & LOW_MASK));
}

fn high_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) & HIGH_MASK));
}

// n · d + m for all 32.
fn nibbles_unpack(q: vec4<u32>, d: f32, m: f32) -> Block {
    let low = LOW_SCALE * d;
    let high = HIGH_SCALE * d;
    let high_m = vec4<f32>(m, m, m, m + 8.0 * d);
    return Block(
        low_nibbles(q.x) * low + m, high_nibbles(q.x) * high + high_m,
        low_nibbles(q.y) * low + m, high_nibbles(q.y) * high + high_m,
        low_nibbles(q.z) * low + m, high_nibbles(q.z) * high + high_m,
        low_nibbles(q.w) * low + m, high_nibbles(q.w) * high + high_m,
    );
}
