// A selective state space (Gu & Dao 2023, alg. 2): an invocation owns a channel, and takes the step's rows in order.
// Reference: src/ops/selective_scan.rs.
#import step

struct Params {
    channels: u32,
    // Values of a channel's state.
    state_size: u32,
    // Positions of the state, and floats of one.
    positions: u32,
    state_stride: u32,
    // Row strides and offsets in floats.
    x_stride: u32,
    x_offset: u32,
    dt_stride: u32,
    dt_offset: u32,
    bc_stride: u32,
    bc_offset: u32,
    y_stride: u32,
    y_offset: u32,
    // Whether `a` is the logarithm of −A, and not A.
    a_is_log: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> x: array<f32>;           // [tokens, channels]
@group(0) @binding(3) var<storage, read> dt: array<f32>;          // [tokens, channels]
@group(0) @binding(4) var<storage, read> bc: array<f32>;          // [tokens, 2, state_size]
@group(0) @binding(5) var<storage, read> a: array<f32>;           // [channels, state_size]
@group(0) @binding(6) var<storage, read> d: array<f32>;           // [channels]
@group(0) @binding(7) var<storage, read_write> state: array<f32>; // [slots, positions, channels, state_size]
@group(0) @binding(8) var<storage, read_write> y: array<f32>;     // [tokens, channels]

// ln(1 + exp(v)), by what is small of the two: 1 + exp(v) would lose it.
fn softplus(v: f32) -> f32 {
    let e = exp(-abs(v));
    // ln(1 + e) by the series of atanh(e / (2 + e)) where e is small.
    let u = e / (2.0 + e);
    let series = 2.0 * u * (1.0 + u * u * (0.33333333 + u * u * 0.2));
    return max(v, 0.0) + select(log(1.0 + e), series, e < 0.1);
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let channel = id.x;
    if (channel >= params.channels) {
        return;
    }
    let n = params.state_size;
    let own = channel * n;
    for (var i = 0u; i < step.n_rows; i++) {
        let row = step.rows[i];
        let first = row.y * params.positions;
        let to = (first + row.z % params.positions) * params.state_stride + own;
        let input = x[params.x_offset + i * params.x_stride + channel];
        let delta = softplus(dt[params.dt_offset + i * params.dt_stride + channel]);
        let b = params.bc_offset + i * params.bc_stride;
        var sum = d[channel] * input;
        for (var j = 0u; j < n; j++) {
            var h = 0.0;
            if (row.z > 0u) {
                h = state[(first + (row.z - 1u) % params.positions) * params.state_stride + own + j];
            }
            let rate = select(a[own + j], -exp(a[own + j]), params.a_is_log != 0u);
            h = exp(rate * delta) * h + delta * bc[b + j] * input;
            state[to + j] = h;
            sum += h * bc[b + n + j];
        }
        y[params.y_offset + i * params.y_stride + channel] = sum;
    }
}
