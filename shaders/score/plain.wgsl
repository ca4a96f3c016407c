// Scores as they are.
fn adjustment_of(head: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(0.0);
}

fn adjusted(s: vec4<f32>, of_heads: vec4<f32>, position: vec4<u32>, query: vec4<u32>) -> vec4<f32> {
    return s;
}
