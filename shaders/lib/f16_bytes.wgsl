// Bytes in half floats (lib/f16): sixteen activations meet four words, four bytes of two words at a time.
#import f16

// The activations in that order: of two words the even bytes, then the odd ones.
fn by_bytes(x: Block) -> Block {
    return Block(
        vec4<f32>(x.v0.xz, x.v1.xz), vec4<f32>(x.v0.yw, x.v1.yw), vec4<f32>(x.v2.xz, x.v3.xz), vec4<f32>(x.v2.yw, x.v3.yw),
        vec4<f32>(x.v4.xz, x.v5.xz), vec4<f32>(x.v4.yw, x.v5.yw), vec4<f32>(x.v6.xz, x.v7.xz), vec4<f32>(x.v6.yw, x.v7.yw),
    );
}

fn byte_pairs(words: vec2<u32>, less: f16) -> vec4<f16> {
    return codes_with_1024(words & vec2<u32>(0x00ff00ffu)) - vec4<f16>(1024.0h + less);
}

// Σ (b − less) h over the sixteen bytes b of four words.
fn bytes_dot(q: vec4<u32>, less: f16, h0: vec4<f16>, h1: vec4<f16>, h2: vec4<f16>, h3: vec4<f16>) -> f32 {
    let odd = q >> vec4<u32>(8u);
    var sum = byte_pairs(q.xy, less) * h0;
    sum += byte_pairs(odd.xy, less) * h1;
    sum += byte_pairs(q.zw, less) * h2;
    sum += byte_pairs(odd.zw, less) * h3;
    return half_sum(sum);
}
