// RWKV-4's average of values by decaying keys (Peng et al. 2023, eq. 14 and appendix D): an invocation owns a channel, and takes
// the step's rows in order. Reference: src/ops/wkv.rs.
#import step

struct Params {
    channels: u32,
    // Positions of the state, and floats of one.
    positions: u32,
    state_stride: u32,
    // Row strides and offsets in floats.
    k_stride: u32,
    k_offset: u32,
    v_stride: u32,
    v_offset: u32,
    y_stride: u32,
    y_offset: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

// The largest exponent before the sequence.
const LOWEST: f32 = -1e38;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> k: array<f32>;           // [tokens, channels]
@group(0) @binding(3) var<storage, read> v: array<f32>;           // [tokens, channels]
@group(0) @binding(4) var<storage, read> decay: array<f32>;       // [channels]
@group(0) @binding(5) var<storage, read> first: array<f32>;       // [channels]
@group(0) @binding(6) var<storage, read_write> state: array<f32>; // [slots, positions, 3, channels]
@group(0) @binding(7) var<storage, read_write> y: array<f32>;     // [tokens, channels]

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if (c >= params.channels) {
        return;
    }
    let loss = exp(decay[c]);
    for (var i = 0u; i < step.n_rows; i++) {
        let row = step.rows[i];
        let slot = row.y * params.positions;
        var numerator = 0.0;
        var denominator = 0.0;
        var largest = LOWEST;
        if (row.z > 0u) {
            let at = (slot + (row.z - 1u) % params.positions) * params.state_stride + c;
            numerator = state[at];
            denominator = state[at + params.channels];
            largest = state[at + 2u * params.channels];
        }
        let key = k[params.k_offset + i * params.k_stride + c];
        let value = v[params.v_offset + i * params.v_stride + c];

        // What came before, and the token itself.
        let own = key + first[c];
        let most = max(largest, own);
        let before_weight = exp(largest - most);
        let own_weight = exp(own - most);
        y[params.y_offset + i * params.y_stride + c] =
            (before_weight * numerator + own_weight * value) / (before_weight * denominator + own_weight);

        let most_kept = max(largest - loss, key);
        let before_kept = exp(largest - loss - most_kept);
        let own_kept = exp(key - most_kept);
        let to = (slot + row.z % params.positions) * params.state_stride + c;
        state[to] = before_kept * numerator + own_kept * value;
        state[to + params.channels] = before_kept * denominator + own_kept;
        state[to + 2u * params.channels] = most_kept;
    }
}
