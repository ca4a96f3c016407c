// a · sigmoid(1.702 a) (Hendrycks & Gimpel 2016, § 2); b is not used. exp is kept finite.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return a / (vec4<f32>(1.0) + exp(-max(1.702 * a, vec4<f32>(-80.0))));
}
