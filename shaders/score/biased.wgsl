// Scores plus what a head gives to the distance from query to key (Raffel et al. 2020, § 2.1), which is the same from `reach` on.
@group(0) @binding(7) var<storage, read> biases: array<f32>; // [heads, 2 reach + 1]

// Where heads' biases begin.
fn adjustment_of(head: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(head * (2u * params.reach + 1u));
}

fn adjusted(s: vec4<f32>, firsts: vec4<f32>, position: vec4<u32>, query: vec4<u32>) -> vec4<f32> {
    let reach = vec4<i32>(i32(params.reach));
    let distance = clamp(vec4<i32>(position) - vec4<i32>(query), -reach, reach);
    let i = vec4<u32>(firsts) + vec4<u32>(distance + reach);
    return s + vec4<f32>(biases[i.x], biases[i.y], biases[i.z], biases[i.w]);
}
