// A SwiGLU whose inputs are clamped and whose linear half has 1 added (OpenAI 2025, § 2.2). exp is kept finite: below −80 the
// quotient is 0 to f32.
fn f(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let limit = vec4<f32>(params.value);
    let gate = min(a, limit);
    return (clamp(b, -limit, limit) + 1.0) * (gate / (1.0 + exp(-max(params.second * gate, vec4<f32>(-80.0)))));
}
