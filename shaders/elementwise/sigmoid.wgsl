// 1 / (1 + exp(−a)); b is not used. exp is kept finite: below −80 the quotient is 0 to f32.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(-max(a, vec4<f32>(-80.0))));
}
