// value · tanh(a / value) (Gemma Team 2024, § 2); b is not used.
#import tanh

fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return params.value * tanh4(a / params.value);
}
