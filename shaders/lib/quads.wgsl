// Four rows of weights ("a quad") by sub-block. Of `params.together` quads the sub-blocks stand side by side, so that invocations
// that work side by side read side by side: block b of quad q is entry quad_start(q) + b · together; row r's part of it is entry
// 4 · (that) + r of `quants`, and word r of the vec4 in `scales`. A format gives scales_of, row_dot and row_unpack.
#import QUANT

fn quad_start(quad: u32) -> u32 {
    return quad / params.together * params.together * params.row_blocks + quad % params.together;
}

// The four rows' dot products with a prepared sub-block of x.
fn quad_dot(i: u32, x: Prepared) -> vec4<f32> {
    let s = scales_of(i);
    let q = i * 4u;
    return vec4<f32>(
        row_dot(q, s.d.x, s.m.x, x), row_dot(q + 1u, s.d.y, s.m.y, x),
        row_dot(q + 2u, s.d.z, s.m.z, x), row_dot(q + 3u, s.d.w, s.m.w, x),
    );
}
