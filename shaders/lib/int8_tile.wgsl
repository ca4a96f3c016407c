// A sub-block of a row of weights as bytes, for tiles: weight = d · code + m, by halves, as the file that stands in for a format's dot
// product gives it. The codes come in the order in which lib/int8 has the activations.
#import int8

struct RowBytes {
    a: vec4<u32>,
    b: vec4<u32>,
    // d of a, d of b, m of a, m of b.
    scales: vec4<f32>,
}
