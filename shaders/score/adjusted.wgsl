// Scores less the distance times a head's slope (Press et al. 2022, § 3), and softly capped (Gemma Team 2024, § 2).
#import tanh

// Slopes of heads: powers of 2^(−8 / n) for the first n, a power of two; then every second of the next finer ones.
fn adjustment_of(head: vec4<u32>) -> vec4<f32> {
    let n = f32(1u << firstLeadingBit(params.heads));
    let h = vec4<f32>(head);
    let first = -8.0 / n * (h + 1.0);
    let rest = -4.0 / n * (2.0 * (h - n) + 1.0);
    return exp2(select(rest, first, h < vec4<f32>(n)));
}

// To the nearest bfloat16, halves to the even one.
fn rounded(x: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(x);
    return bitcast<vec4<f32>>((bits + 0x7fffu + ((bits >> vec4<u32>(16u)) & vec4<u32>(1u))) & vec4<u32>(0xffff0000u));
}

// What a head adds to the score of the key at `position`, but for what all keys get.
fn linear_bias(slopes: vec4<f32>, position: vec4<u32>) -> vec4<f32> {
    let at = vec4<f32>(position);
    if (params.alibi_bf16 == 0u) {
        return slopes * at;
    }
    return rounded(rounded(slopes) * rounded(at));
}

fn adjusted(s: vec4<f32>, slopes: vec4<f32>, position: vec4<u32>, query: vec4<u32>) -> vec4<f32> {
    let score = s + params.alibi * (linear_bias(slopes, position) - linear_bias(slopes, query));
    if (params.soft_cap == 0.0) {
        return score;
    }
    return params.soft_cap * tanh4(score / params.soft_cap);
}
