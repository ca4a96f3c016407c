// Norm of each head of a row (or of the whole row, as one head): y = (x − mean) / sqrt(variance + eps) · weight + bias (Ba et al.
// 2016, eq. 4), or without the mean (Zhang & Sennrich 2019, eq. 4); a workgroup or an invocation a head (REDUCE). Heads of any width, so values are
// read one by one. Reference: src/ops/norm.rs.
#import REDUCE

override WORKGROUP: u32 = 64u;

struct Params {
    // Values in a head.
    width: u32,
    // Strides and offsets in floats.
    x_stride: u32,
    x_offset: u32,
    y_stride: u32,
    eps: f32,
    // Whether the mean is taken away.
    centred: u32,
    has_weight: u32,
    has_bias: u32,
    // From one head's weight and bias to the next's; 0 where heads share them.
    weight_stride: u32,
    // Heads of a row, and of all rows that x and y have.
    heads: u32,
    all_heads: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [tokens, heads, width]
@group(0) @binding(2) var<storage, read> weight: array<f32>;  // [width] or [heads, width]
@group(0) @binding(3) var<storage, read> bias: array<f32>;    // as weight
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [tokens, heads, width]

fn mean_of(sum: vec4<f32>, local: u32) -> f32 {
    let all = reduce(Sums(sum, vec4<f32>(0.0), vec4<f32>(0.0)), local)[0];
    return (all.x + all.y + all.z + all.w) / f32(params.width);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let unit = row_of(group.x, local);
    if (unit >= params.all_heads) {
        return;
    }
    let row = unit / params.heads;
    let head = unit % params.heads;
    let src = params.x_offset + row * params.x_stride + head * params.width;
    let to = row * params.y_stride + head * params.width;
    // Four sums, so that each adds up less.
    var mean = 0.0;
    if (params.centred != 0u) {
        var sum = vec4<f32>(0.0);
        for (var i = first_column(local); i < params.width; i += next_column()) {
            sum[(i / next_column()) & 3u] += x[src + i];
        }
        mean = mean_of(sum, local);
        settle();
    }
    var squares = vec4<f32>(0.0);
    for (var i = first_column(local); i < params.width; i += next_column()) {
        let d = x[src + i] - mean;
        squares[(i / next_column()) & 3u] += d * d;
    }
    let scale = inverseSqrt(mean_of(squares, local) + params.eps);
    for (var i = first_column(local); i < params.width; i += next_column()) {
        var value = (x[src + i] - mean) * scale;
        let w = head * params.weight_stride + i;
        if (params.has_weight != 0u) {
            value *= weight[w];
        }
        if (params.has_bias != 0u) {
            value += bias[w];
        }
        y[to + i] = value;
    }
}
