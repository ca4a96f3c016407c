// Rotary embedding of one pair (Su et al. 2021, eq. 34), in Hugging Face's order: value i pairs with value i + half.
// The table holds (cos, sin) for [position, half], computed on the CPU in f64: large angles lose bits on GPUs.
fn rotate(low: f32, high: f32, cos_sin: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(low * cos_sin.x - high * cos_sin.y, high * cos_sin.x + low * cos_sin.y);
}
