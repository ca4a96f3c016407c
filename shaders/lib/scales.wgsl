// The scales of a quad of rows at one sub-block: weight = d · n + m, row r's in component r. Only row_dot and row_unpack of the
// format read them: one whose halves of a sub-block have a scale each puts those into d and m.
#import block

struct Scales {
    d: vec4<f32>,
    m: vec4<f32>,
}

// Two halves a word: d low, m high.
fn half_scales(words: vec4<u32>) -> Scales {
    let a = unpack2x16float(words.x);
    let b = unpack2x16float(words.y);
    let c = unpack2x16float(words.z);
    let d = unpack2x16float(words.w);
    return Scales(vec4<f32>(a.x, b.x, c.x, d.x), vec4<f32>(a.y, b.y, c.y, d.y));
}
