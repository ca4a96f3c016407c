// The end of a matvec over the gate's rows and, gate_quads behind, the other half's: an output is f(gate, other) by FUNCTION
// (Shazeer 2020, eq. 5). Pair i is a quad of rows of each.
#import FUNCTION

fn first_of(i: u32) -> u32 {
    return i;
}

fn second_of(i: u32) -> u32 {
    return i + params.gate_quads;
}

fn finish(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>) {
    if (i >= params.gate_quads) {
        return;
    }
    var gate = a;
    var other = b;
    if (params.has_bias != 0u) {
        gate += bias[i];
        other += bias[i + params.gate_quads];
    }
    y[params.y_offset + row * params.y_stride + i] = f(gate, other);
}
