// The end of a matvec over a pair of quads, one of the gate's rows and one of the other half's.
#import gated

fn first_of(i: u32) -> u32 {
    return i;
}

fn second_of(i: u32) -> u32 {
    return i + params.gate_quads;
}

fn finish(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>) {
    store_gated(row, i, a, b);
}
