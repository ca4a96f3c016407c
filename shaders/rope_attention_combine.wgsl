// One row of attention, 2 of 2: the splits' partial sums become one (Dao et al. 2023, §3.1); an invocation a head and four
// columns. Reference: src/ops/rope_attention.rs.
#import step
#import rope_attention_splits

struct Params {
    heads: u32,
    // vec4s of a head.
    head_quads: u32,
    window: u32,
    tile: u32,
    max_splits: u32,
    // Whether heads have a sink.
    has_sinks: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> partials: array<vec4<f32>>; // [heads, max_splits, head_quads + 1]
@group(0) @binding(3) var<storage, read> sinks: array<f32>;          // [heads]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [heads, head_quads]

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.heads * params.head_quads) {
        return;
    }
    let n = splits_of(step.rows[0].z).n;
    let width = params.head_quads + 1u;
    let first = id.x / params.head_quads * params.max_splits * width;
    let column = id.x % params.head_quads;
    var maximum = partials[first + params.head_quads].x;
    for (var i = 1u; i < n; i++) {
        maximum = max(maximum, partials[first + i * width + params.head_quads].x);
    }
    var sum = 0.0;
    var out = vec4<f32>(0.0);
    for (var i = 0u; i < n; i++) {
        let at = first + i * width;
        let end = partials[at + params.head_quads];
        let weight = exp(end.x - maximum);
        sum += end.y * weight;
        out += partials[at + column] * weight;
    }
    if (params.has_sinks != 0u) {
        sum += exp(sinks[id.x / params.head_quads] - maximum);
    }
    y[id.x] = out / sum;
}
