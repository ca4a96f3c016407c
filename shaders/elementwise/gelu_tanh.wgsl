// gelu_tanh(a); b is not used.
#import gelu_tanh

fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return gelu_tanh(a);
}
