// How the next token is drawn: what src/sampler.rs does, on the GPU. Written once an answer (src/ops/sample.rs).
struct Sampling {
    flags: u32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    // 1 / temperature; 1 where the best token is taken.
    sharpness: f32,
    repetition_penalty: f32,
    frequency_penalty: f32,
    presence_penalty: f32,
    seed_low: u32,
    seed_high: u32,
    pad0: u32,
    pad1: u32,
}

// Penalties count the tokens in `counts`; `bias` holds something; noise decides; the whole vocabulary's sum is wanted; a mask says
// which tokens may be drawn.
const PENALTIES: u32 = 1u;
const BIAS: u32 = 2u;
const NOISE: u32 = 4u;
const NORMALISER: u32 = 8u;
const MASK: u32 = 16u;

// Flags of a result: a logit was not finite; the CPU has to draw.
const NON_FINITE: u32 = 1u;
const ON_CPU: u32 = 2u;

// Slices that a row of logits is scanned in.
const SLICES: u32 = 512u;
const LOWEST: f32 = -3.4e38;
// A token that may not be drawn: below what any search begins with.
const MASKED: f32 = -3.402e38;

// Exponent all ones: NaN or infinity. Comparing floats would be at the mercy of fast math.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// Mixes the bits of a word (C. Wellons, "Hash Function Prospector", lowbias32).
fn mix(word: u32) -> u32 {
    var z = word;
    z = (z ^ (z >> 16u)) * 0x7feb352du;
    z = (z ^ (z >> 15u)) * 0x846ca68bu;
    return z ^ (z >> 16u);
}

// The key of all noise at one position.
fn noise_key(seed_low: u32, seed_high: u32, position: u32) -> u32 {
    return mix(mix(mix(position) ^ seed_high) ^ seed_low);
}

// Gumbel noise of token `id`: the largest of logit / temperature + noise is a draw from the softmax (Gumbel 1954; Maddison
// et al. 2014). −ln(1 − v) by its series where v is small, since log is inexact near 1 (WGSL § 15.7.4).
fn gumbel(key: u32, id: u32) -> f32 {
    let v = (f32(mix(key ^ (id * 0x9e3779b9u)) >> 9u) + 0.5) * 1.1920928955078125e-7;
    let series = v * (1.0 + v * (0.5 + v * (0.33333333 + v * 0.25)));
    return -log(select(-log(1.0 - v), series, v < 0.015625));
}
