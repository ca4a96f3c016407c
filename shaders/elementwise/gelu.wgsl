// gelu(a); b is not used.
#import gelu

fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return gelu(a);
}
