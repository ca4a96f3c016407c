// GELU by tanh (Hendrycks & Gimpel 2016, § 2): x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.
#import tanh

fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (vec4<f32>(1.0) + tanh4(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}
