// gelu(a) · b, the gate of a gated MLP (Shazeer 2020, eq. 6).
#import gelu

fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return gelu(a) * b;
}
