// 32 four-bit weights in one vec4<u32>: word w, nibble j is weight 8 w + j. The top nibble of each word is stored with its
// highest bit flipped, so that the word read as i32 has n − 8 there: the masked word converts to float without a shift,
// and the activations carry the 16^−j instead (`prepare`). Shifts are the dearest integer operation on CPU adapters.
#import block

struct Prepared {
    // Activations, weight j of a word scaled by 16^−j.
    y: Block,
    // Σ x.
    sum: f32,
    // 8 Σ x over the top nibbles: what the flipped bit takes away.
    top: f32,
}

const LOW_MASK: vec4<u32> = vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
const HIGH_MASK: vec4<u32> = vec4<u32>(0xf0000u, 0xf00000u, 0xf000000u, 0xf0000000u);
const LOW_SCALE: vec4<f32> = vec4<f32>(1.0, 0.0625, 0.00390625, 0.000244140625);
const HIGH_SCALE: vec4<f32> = vec4<f32>(1.52587890625e-5, 9.5367431640625e-7, 5.9604644775390625e-8, 3.7252902984619141e-9);

fn prepare(x: Block) -> Prepared {
    let y = Block(
        x.v0 * LOW_SCALE, x.v1 * HIGH_SCALE, x.v2 * LOW_SCALE, x.v3 * HIGH_SCALE,
        x.v4 * LOW_SCALE, x.v5 * HIGH_SCALE, x.v6 * LOW_SCALE, x.v7 * HIGH_SCALE,
    );
    return Prepared(y, block_sum(x), 8.0 * ((x.v1.w + x.v3.w) + (x.v5.w + x.v7.w)));
}

fn low_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) & LOW_MASK));
}

fn high_nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) & HIGH_MASK));
}

// Σ n x over the sub-block's nibbles n. Written out nibble by nibble: vectors of masks and a call for each word cost CPU
// adapters a sixth of the kernel.
fn nibbles_dot(q: vec4<u32>, x: Prepared) -> f32 {
    return x.top
        + f32(bitcast<i32>(q.x & 0xfu)) * x.y.v0.x
        + f32(bitcast<i32>(q.x & 0xf0u)) * x.y.v0.y
        + f32(bitcast<i32>(q.x & 0xf00u)) * x.y.v0.z
        + f32(bitcast<i32>(q.x & 0xf000u)) * x.y.v0.w
        + f32(bitcast<i32>(q.x & 0xf0000u)) * x.y.v1.x
        + f32(bitcast<i32>(q.x & 0xf00000u)) * x.y.v1.y
        + f32(bitcast<i32>(q.x & 0xf000000u)) * x.y.v1.z
        + f32(bitcast<i32>(q.x & 0xf0000000u)) * x.y.v1.w
        + f32(bitcast<i32>(q.y & 0xfu)) * x.y.v2.x
        + f32(bitcast<i32>(q.y & 0xf0u)) * x.y.v2.y
        + f32(bitcast<i32>(q.y & 0xf00u)) * x.y.v2.z
        + f32(bitcast<i32>(q.y & 0xf000u)) * x.y.v2.w
        + f32(bitcast<i32>(q.y & 0xf0000u)) * x.y.v3.x
        + f32(bitcast<i32>(q.y & 0xf00000u)) * x.y.v3.y
        + f32(bitcast<i32>(q.y & 0xf000000u)) * x.y.v3.z
        + f32(bitcast<i32>(q.y & 0xf0000000u)) * x.y.v3.w
        + f32(bitcast<i32>(q.z & 0xfu)) * x.y.v4.x
        + f32(bitcast<i32>(q.z & 0xf0u)) * x.y.v4.y
        + f32(bitcast<i32>(q.z & 0xf00u)) * x.y.v4.z
        + f32(bitcast<i32>(q.z & 0xf000u)) * x.y.v4.w
        + f32(bitcast<i32>(q.z & 0xf0000u)) * x.y.v5.x
        + f32(bitcast<i32>(q.z & 0xf00000u)) * x.y.v5.y
        + f32(bitcast<i32>(q.z & 0xf000000u)) * x.y.v5.z
        + f32(bitcast<i32>(q.z & 0xf0000000u)) * x.y.v5.w
        + f32(bitcast<i32>(q.w & 0xfu)) * x.y.v6.x
        + f32(bitcast<i32>(q.w & 0xf0u)) * x.y.v6.y
        + f32(bitcast<i32>(q.w & 0xf00u)) * x.y.v6.z
        + f32(bitcast<i32>(q.w & 0xf000u)) * x.y.v6.w
        + f32(bitcast<i32>(q.w & 0xf0000u)) * x.y.v7.x
        + f32(bitcast<i32>(q.w & 0xf00000u)) * x.y.v7.y
        + f32(bitcast<i32>(q.w & 0xf000000u)) * x.y.v7.z
        + f32(bitcast<i32>(q.w & 0xf0000000u)) * x.y.v7.w;
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
