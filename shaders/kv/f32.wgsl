// KV cache in f32: four values a vec4.
alias KvQuad = vec4<f32>;

fn kv_pack(value: vec4<f32>) -> KvQuad {
    return value;
}

fn kv_unpack(stored: KvQuad) -> vec4<f32> {
    return stored;
}
