// KV cache in half floats: four values in two words.
alias KvQuad = vec2<u32>;

// Half floats end at 65504; what is past it is clamped, not turned into infinity.
fn kv_pack(value: vec4<f32>) -> KvQuad {
    let v = clamp(value, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));
}

fn kv_unpack(stored: KvQuad) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}
