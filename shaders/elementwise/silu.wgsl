// silu(a); b is not used.
#import silu

fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return silu(a);
}
