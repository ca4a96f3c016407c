// Activations that meet even nibbles, then those that meet odd ones.
fn ordered(x: Block) -> Block {
    return Block(
        vec4<f32>(x.v0.xz, x.v1.xz), vec4<f32>(x.v2.xz, x.v3.xz), vec4<f32>(x.v4.xz, x.v5.xz), vec4<f32>(x.v6.xz, x.v7.xz),
        vec4<f32>(x.v0.yw, x.v1.yw), vec4<f32>(x.v2.yw, x.v3.yw), vec4<f32>(x.v4.yw, x.v5.yw), vec4<f32>(x.v6.yw, x.v7.yw),
    );
}
