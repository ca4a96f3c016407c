// Four weights a word, a byte each: a masked byte converts to float without a shift, and the activations carry the 256^−j.
const BYTE_MASK: vec4<u32> = vec4<u32>(0xffu, 0xff00u, 0xff0000u, 0xff000000u);
const BYTE_SCALE: vec4<f32> = vec4<f32>(1.0, 0.00390625, 1.52587890625e-5, 5.9604644775390625e-8);

fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) & BYTE_MASK));
}

// Σ q y over the four bytes of a word.
fn word_dot(word: u32, y: vec4<f32>) -> f32 {
    let q = bytes_of(word);
    return q.x * y.x + q.y * y.y + q.z * y.z + q.w * y.w;
}
