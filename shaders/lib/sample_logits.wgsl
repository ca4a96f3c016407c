// The logits that a draw is made from: mask, bias, then penalties, as src/sampler.rs has them.
#import step
#import sampling

struct Params {
    vocab_size: u32,
    // Floats from row to row of the logits.
    x_stride: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sampling: Sampling;
@group(0) @binding(2) var<storage, read> x: array<f32>;       // [outputs, vocab_size]
// [vocab_size] bits of floats, added to the logits; behind them a bit a token, set where it may be drawn.
@group(0) @binding(3) var<storage, read> bias: array<u32>;

// Logit `id` of the row that starts `first` floats into x. The kernel declares `counts: [vocab_size]`, to read or to write.
fn logit_of(id: u32, first: u32) -> f32 {
    if ((sampling.flags & MASK) != 0u && (bias[params.vocab_size + (id >> 5u)] & (1u << (id & 31u))) == 0u) {
        return MASKED;
    }
    var value = x[first + id];
    if ((sampling.flags & BIAS) != 0u) {
        value += bitcast<f32>(bias[id]);
    }
    if ((sampling.flags & PENALTIES) != 0u && counts[id] > 0u) {
        value = select(value * sampling.repetition_penalty, value / sampling.repetition_penalty, value > 0.0);
        value -= sampling.frequency_penalty * f32(counts[id]) + sampling.presence_penalty;
    }
    return value;
}

fn ids_of_slice(slice: u32) -> vec2<u32> {
    let per_slice = (params.vocab_size + SLICES - 1u) / SLICES;
    return min(vec2<u32>(slice, slice + 1u) * per_slice, vec2<u32>(params.vocab_size));
}
