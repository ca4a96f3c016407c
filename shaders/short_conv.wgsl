// A causal convolution over time, or a shift by one token, channel by channel: an invocation owns four channels, and takes the
// step's rows in order, each after its input has gone into the state. Reference: src/ops/short_conv.rs.
#import step

struct Params {
    channels: u32,
    // vec4s of the channels.
    n_quads: u32,
    taps: u32,
    // Whether the weight says how much of two tokens is mixed.
    mixes: u32,
    // Positions of the state.
    positions: u32,
    // Row strides and offsets in vec4s.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    y_offset: u32,
    has_bias: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;           // [tokens, channels]
@group(0) @binding(3) var<storage, read> weight: array<f32>;            // [channels, taps] or [channels]
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;        // [channels]
@group(0) @binding(5) var<storage, read_write> state: array<vec4<f32>>; // [slots, positions, channels]
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;     // [tokens, channels]

fn weights_of(quad: u32, tap: u32) -> vec4<f32> {
    let channel = min(vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.channels - 1u));
    if (params.mixes != 0u) {
        let mix = vec4<f32>(weight[channel.x], weight[channel.y], weight[channel.z], weight[channel.w]);
        return select(mix, 1.0 - mix, tap == 0u);
    }
    let i = channel * params.taps + tap;
    return vec4<f32>(weight[i.x], weight[i.y], weight[i.z], weight[i.w]);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let quad = id.x;
    if (quad >= params.n_quads) {
        return;
    }
    for (var i = 0u; i < step.n_rows; i++) {
        let row = step.rows[i];
        let first = row.y * params.positions;
        let input = x[params.x_offset + i * params.x_stride + quad];
        state[(first + row.z % params.positions) * params.n_quads + quad] = input;
        var sum = weights_of(quad, params.taps - 1u) * input;
        if (params.has_bias != 0u) {
            sum += bias[quad];
        }
        for (var back = 1u; back < min(params.taps, row.z + 1u); back++) {
            let before = state[(first + (row.z - back) % params.positions) * params.n_quads + quad];
            sum += weights_of(quad, params.taps - 1u - back) * before;
        }
        y[params.y_offset + i * params.y_stride + quad] = sum;
    }
}
