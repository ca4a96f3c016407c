// One invocation has the whole sum already.
fn reduce(value: vec4<f32>, local: u32) -> vec4<f32> {
    return value;
}
