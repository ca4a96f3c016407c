// max(a, 0)² (So et al. 2021, § 4); b is not used.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let x = max(a, vec4<f32>(0.0));
    return x * x;
}
