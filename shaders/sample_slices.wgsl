// The best token of each slice of the last row of logits; the lowest id wins a tie. "Best" is the largest logit after bias
// and penalties, divided by the temperature and with noise where the draw is unfiltered. An invocation a slice.
// Reference: src/sampler.rs.
#import sample_logits

@group(0) @binding(4) var<storage, read> counts: array<u32>;              // [vocab_size]
@group(0) @binding(5) var<storage, read> step: Step;
// [SLICES]: id, bits of the value, flags, bits of Σ exp((logit − best) / temperature)
@group(0) @binding(6) var<storage, read_write> slices: array<vec4<u32>>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= SLICES) {
        return;
    }
    let ids = ids_of_slice(id.x);
    let first = (step.n_outputs - 1u) * params.x_stride;
    let key = noise_key(sampling.seed_low, sampling.seed_high, step.rows[step.n_rows - 1u].z + 1u);
    var winner = min(ids.x, params.vocab_size - 1u);
    var best = LOWEST;
    var flags = 0u;
    for (var i = ids.x; i < ids.y; i++) {
        if (!is_finite(x[first + i])) {
            flags |= NON_FINITE;
            continue;
        }
        var value = logit_of(i, first);
        if (!is_finite(value)) {
            flags |= ON_CPU;
        } else {
            if ((sampling.flags & NOISE) != 0u) {
                value = value * sampling.sharpness + gumbel(key, i);
            }
            if (value > best) {
                best = value;
                winner = i;
            }
        }
    }
    var sum = 0.0;
    if ((sampling.flags & NORMALISER) != 0u) {
        for (var i = ids.x; i < ids.y; i++) {
            sum += exp((logit_of(i, first) - best) * sampling.sharpness);
        }
    }
    slices[id.x] = vec4<u32>(winner, bitcast<u32>(best), flags, bitcast<u32>(sum));
}
