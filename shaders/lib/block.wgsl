// The unit that kernels read: 32 weights or activations as eight vec4s, in order.
struct Block {
    v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32>,
    v4: vec4<f32>, v5: vec4<f32>, v6: vec4<f32>, v7: vec4<f32>,
}

fn block_quad(a: Block, k: u32) -> vec4<f32> {
    let low = select(select(a.v0, a.v1, k == 1u), select(a.v2, a.v3, k == 3u), k > 1u);
    let high = select(select(a.v4, a.v5, k == 5u), select(a.v6, a.v7, k == 7u), k > 5u);
    return select(low, high, k > 3u);
}

fn block_dot(a: Block, b: Block) -> f32 {
    return ((dot(a.v0, b.v0) + dot(a.v1, b.v1)) + (dot(a.v2, b.v2) + dot(a.v3, b.v3)))
        + ((dot(a.v4, b.v4) + dot(a.v5, b.v5)) + (dot(a.v6, b.v6) + dot(a.v7, b.v7)));
}

fn block_sum(a: Block) -> f32 {
    return dot(((a.v0 + a.v1) + (a.v2 + a.v3)) + ((a.v4 + a.v5) + (a.v6 + a.v7)), vec4<f32>(1.0));
}
