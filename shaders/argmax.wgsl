// The largest logit of each row and its id; the lowest id wins a tie. Two dispatches: SLICES invocations a row scan a
// slice each, then one workgroup a row takes the best of the slices. A logit that is not finite is reported, never chosen.
// Reference: src/ops/argmax.rs.

struct Params {
    vocab_size: u32,
    x_stride: u32,  // floats
    slices: u32,
    pad0: u32,
}

// (id, bits of the logit, 1 if a non-finite logit was seen, 0)
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                 // [rows, vocab_size]
@group(0) @binding(2) var<storage, read_write> best: array<vec4<u32>>;  // [rows, slices]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.slices) {
        return;
    }
    let per_slice = (params.vocab_size + params.slices - 1u) / params.slices;
    let begin = id.x * per_slice;
    let end = min(begin + per_slice, params.vocab_size);
    let first = id.y * params.x_stride;
    var winner = begin;
    var value = -3.4e38;
    var bad = 0u;
    for (var i = begin; i < end; i++) {
        let v = x[first + i];
        // Exponent all ones: NaN or infinity. Comparing floats would be at the mercy of fast math.
        if ((bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u) {
            bad = 1u;
        } else if (v > value) {
            value = v;
            winner = i;
        }
    }
    best[id.y * params.slices + id.x] = vec4<u32>(winner, bitcast<u32>(value), bad, 0u);
}
