// The experts that a row is given to, and their weights; a workgroup a row. An expert's place is the number of those with larger
// logits, so that no order has to be kept. Reference: src/ops/route.rs.

struct Params {
    experts: u32,
    chosen: u32,
    // Whether weights sum to 1 over the chosen ones, and not over all.
    normalised: u32,
    // Strides and offsets in floats.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    y_offset: u32,
    pad0: u32,
}

// src/ops/route.rs, MAX_CHOSEN.
const MAX_CHOSEN: u32 = 16u;
const WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [tokens, experts]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [tokens, 2, MAX_CHOSEN]: numbers, weights

var<workgroup> weights: array<f32, MAX_CHOSEN>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first = params.x_offset + group.x * params.x_stride;
    let to = params.y_offset + group.x * params.y_stride;
    var maximum = x[first];
    for (var j = 1u; j < params.experts; j++) {
        maximum = max(maximum, x[first + j]);
    }
    for (var i = local; i < params.experts; i += WORKGROUP) {
        let own = x[first + i];
        var place = 0u;
        for (var j = 0u; j < params.experts; j++) {
            let other = x[first + j];
            place += select(0u, 1u, other > own || (other == own && j < i));
        }
        if (place < params.chosen) {
            y[to + place] = f32(i);
            weights[place] = exp(own - maximum);
        }
    }
    workgroupBarrier();
    if (local < params.chosen) {
        var sum = 0.0;
        if (params.normalised != 0u) {
            for (var j = 0u; j < params.chosen; j++) {
                sum += weights[j];
            }
        } else {
            for (var j = 0u; j < params.experts; j++) {
                sum += exp(x[first + j] - maximum);
            }
        }
        y[to + MAX_CHOSEN + local] = weights[local] / sum;
    }
}
