// x · sigmoid(x) (Elfwing et al. 2017). exp is kept finite: below −80 the quotient is 0 to f32.
fn silu(x: vec4<f32>) -> vec4<f32> {
    return x / (vec4<f32>(1.0) + exp(-max(x, vec4<f32>(-80.0))));
}
