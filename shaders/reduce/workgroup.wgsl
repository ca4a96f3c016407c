// Sum over the workgroup through its memory: each invocation leaves its value, the first ones add them up in halves.
var<workgroup> partials: array<vec4<f32>, WORKGROUP>;

fn reduce(value: vec4<f32>, local: u32) -> vec4<f32> {
    partials[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (local < half) {
            partials[local] += partials[local + half];
        }
        workgroupBarrier();
    }
    return partials[0];
}
