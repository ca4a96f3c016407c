// Scores less the distance times a head's slope (Press et al. 2022, § 3), and softly capped (Gemma Team 2024, § 2).
#import tanh

// Slopes of heads: powers of 2^(−8 / n) for the first n, a power of two; then every second of the next finer ones.
fn adjustment_of(head: vec4<u32>) -> vec4<f32> {
    let n = f32(1u << firstLeadingBit(params.heads));
    let h = vec4<f32>(head);
    let first = -8.0 / n * (h + 1.0);
    let rest = -4.0 / n * (2.0 * (h - n) + 1.0);
    return params.alibi * exp2(select(rest, first, h < vec4<f32>(n)));
}

fn adjusted(s: vec4<f32>, slopes: vec4<f32>, position: vec4<u32>, query: vec4<u32>) -> vec4<f32> {
    let score = s - slopes * (vec4<f32>(query) - vec4<f32>(position));
    if (params.soft_cap == 0.0) {
        return score;
    }
    return params.soft_cap * tanh4(score / params.soft_cap);
}
