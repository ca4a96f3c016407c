// The end of a matvec over the gate's rows and, gate_quads behind, the other half's: an output is f(gate, other) by FUNCTION
// (Shazeer 2020, eq. 5).
#import FUNCTION

fn store_gated(row: u32, quad: u32, a: vec4<f32>, b: vec4<f32>) {
    if (quad < params.gate_quads) {
        var gate = a;
        var other = b;
        if (params.has_bias != 0u) {
            gate += bias[quad];
            other += bias[quad + params.gate_quads];
        }
        y[params.y_offset + row * params.y_stride + quad] = f(gate, other);
    }
}
