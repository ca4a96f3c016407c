// The four quads of rows of w that an invocation has: side by side, or two of a gate's and the two that they meet, gate_quads behind,
// of which an output is f(gate, other) by FUNCTION (Shazeer 2020, eq. 5). They are stored by a loop: what is written out four times
// is compiled four times. EPILOGUE gives leave_quad and leave_sum.
#import FUNCTION

fn is_gated() -> bool {
    return params.gate_quads != 0u;
}

fn first_of(i: u32) -> u32 {
    return i * select(4u, 2u, is_gated());
}

fn third_of(i: u32) -> u32 {
    return first_of(i) + select(2u, params.gate_quads, is_gated());
}

fn one_of(k: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return select(select(a, b, k == 1u), select(c, d, k == 3u), k > 1u);
}

fn store_four(row: u32, i: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    let gated = is_gated();
    let to = params.y_offset + row * params.y_stride;
    var squares = vec4<f32>(0.0);
    var gate = vec4<f32>(0.0);
    for (var k = 0u; k < 4u; k++) {
        // Of a gate each quad, and then what it meets.
        let meets = gated && (k & 1u) == 1u;
        let quad = first_of(i) + select(k, k / 2u, gated);
        if (quad < select(params.n_quads, params.gate_quads, gated)) {
            let of_w = params.first_quad + quad + select(0u, params.gate_quads, meets);
            var value = with_addends(row, of_w, select(one_of(k, a, b, c, d), one_of(k, a, c, b, d), gated));
            if (meets) {
                value = f(gate, value);
            }
            gate = value;
            if (meets || !gated) {
                squares += leave_quad(to, params.first_quad + quad, value);
            }
        }
    }
    leave_sum(to, i, (squares.x + squares.y) + (squares.z + squares.w));
}
