// a within [−value, value]; b is not used.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return clamp(a, vec4<f32>(-params.value), vec4<f32>(params.value));
}
