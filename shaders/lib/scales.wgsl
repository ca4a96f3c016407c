// The scales of a quad of rows at one sub-block: weight = d · n + m, row r's in component r. HALF decodes half floats.
#import block
#import HALF

struct Scales {
    d: vec4<f32>,
    m: vec4<f32>,
}
