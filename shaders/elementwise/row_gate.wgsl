// a · sigmoid(b), with one value of b for each row. exp is kept finite: below −80 the quotient is 0 to f32.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a / (1.0 + exp(-max(b.x, -80.0)));
}
