// a + b · value.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a + b * params.value;
}
