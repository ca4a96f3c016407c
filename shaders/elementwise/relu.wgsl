// max(a, 0); b is not used.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return max(a, vec4<f32>(0.0));
}
