// The dot product of quant/q8_0 with f32 activations. int8/q8_0_dot or f16/q8_0_dot may stand in its place.
#import bytes

struct Prepared {
    // Activations, byte j of a word scaled by 256^−j.
    y: Block,
    // 128 Σ x over the lower three bytes of each word: what the + 128 adds.
    excess: f32,
}

fn prepare(x: Block) -> Prepared {
    let y = Block(
        x.v0 * BYTE_SCALE, x.v1 * BYTE_SCALE, x.v2 * BYTE_SCALE, x.v3 * BYTE_SCALE,
        x.v4 * BYTE_SCALE, x.v5 * BYTE_SCALE, x.v6 * BYTE_SCALE, x.v7 * BYTE_SCALE,
    );
    let all = ((x.v0 + x.v1) + (x.v2 + x.v3)) + ((x.v4 + x.v5) + (x.v6 + x.v7));
    return Prepared(y, 128.0 * (all.x + all.y + all.z));
}

fn row_dot(i: u32, d: f32, m: f32, x: Prepared) -> f32 {
    let a = quants[i * 2u];
    let b = quants[i * 2u + 1u];
    // Written out as in lib/nibbles, for the same reason.
    let q = -x.excess
        + f32(bitcast<i32>(a.x & 0xffu)) * x.y.v0.x
        + f32(bitcast<i32>(a.x & 0xff00u)) * x.y.v0.y
        + f32(bitcast<i32>(a.x & 0xff0000u)) * x.y.v0.z
        + f32(bitcast<i32>(a.x & 0xff000000u)) * x.y.v0.w
        + f32(bitcast<i32>(a.y & 0xffu)) * x.y.v1.x
        + f32(bitcast<i32>(a.y & 0xff00u)) * x.y.v1.y
        + f32(bitcast<i32>(a.y & 0xff0000u)) * x.y.v1.z
        + f32(bitcast<i32>(a.y & 0xff000000u)) * x.y.v1.w
        + f32(bitcast<i32>(a.z & 0xffu)) * x.y.v2.x
        + f32(bitcast<i32>(a.z & 0xff00u)) * x.y.v2.y
        + f32(bitcast<i32>(a.z & 0xff0000u)) * x.y.v2.z
        + f32(bitcast<i32>(a.z & 0xff000000u)) * x.y.v2.w
        + f32(bitcast<i32>(a.w & 0xffu)) * x.y.v3.x
        + f32(bitcast<i32>(a.w & 0xff00u)) * x.y.v3.y
        + f32(bitcast<i32>(a.w & 0xff0000u)) * x.y.v3.z
        + f32(bitcast<i32>(a.w & 0xff000000u)) * x.y.v3.w
        + f32(bitcast<i32>(b.x & 0xffu)) * x.y.v4.x
        + f32(bitcast<i32>(b.x & 0xff00u)) * x.y.v4.y
        + f32(bitcast<i32>(b.x & 0xff0000u)) * x.y.v4.z
        + f32(bitcast<i32>(b.x & 0xff000000u)) * x.y.v4.w
        + f32(bitcast<i32>(b.y & 0xffu)) * x.y.v5.x
        + f32(bitcast<i32>(b.y & 0xff00u)) * x.y.v5.y
        + f32(bitcast<i32>(b.y & 0xff0000u)) * x.y.v5.z
        + f32(bitcast<i32>(b.y & 0xff000000u)) * x.y.v5.w
        + f32(bitcast<i32>(b.z & 0xffu)) * x.y.v6.x
        + f32(bitcast<i32>(b.z & 0xff00u)) * x.y.v6.y
        + f32(bitcast<i32>(b.z & 0xff0000u)) * x.y.v6.z
        + f32(bitcast<i32>(b.z & 0xff000000u)) * x.y.v6.w
        + f32(bitcast<i32>(b.w & 0xffu)) * x.y.v7.x
        + f32(bitcast<i32>(b.w & 0xff00u)) * x.y.v7.y
        + f32(bitcast<i32>(b.w & 0xff0000u)) * x.y.v7.z
        + f32(bitcast<i32>(b.w & 0xff000000u)) * x.y.v7.w;
    return d * q;
}
