// The scales of a quad of rows at one sub-block: weight = d · n + m, row r's in component r.
#import block

struct Scales {
    d: vec4<f32>,
    m: vec4<f32>,
}
