// The dot product of lib/nibbles with f32 activations. int8/nibbles_dot or f16/nibbles_dot may stand in its place.
#import block

struct Prepared {
    // Activations, weight j of a word scaled by 16^−j.
    y: Block,
    // Σ x.
    sum: f32,
    // 8 Σ x over the top nibbles: what the flipped bit takes away.
    top: f32,
}

fn prepare(x: Block) -> Prepared {
    let y = Block(
        x.v0 * LOW_SCALE, x.v1 * HIGH_SCALE, x.v2 * LOW_SCALE, x.v3 * HIGH_SCALE,
        x.v4 * LOW_SCALE, x.v5 * HIGH_SCALE, x.v6 * LOW_SCALE, x.v7 * HIGH_SCALE,
    );
    return Prepared(y, block_sum(x), 8.0 * ((x.v1.w + x.v3.w) + (x.v5.w + x.v7.w)));
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
