// Four rows of weights ("a quad") by sub-block. Of `params.together` quads the sub-blocks stand side by side, so that invocations
// that work side by side read side by side: block b of quad q is entry quad_start(q) + b · together; row r's part of it is entry
// 4 · (that) + r of `quants`, and word r of the vec4 in `scales`. A format gives scales_of, quad_dot and row_unpack; one whose
// sub-blocks share words of scales (Format::run) also load_run, scales_in and scaled_quad_dot (lib/runs).
#import QUANT

fn quad_start(quad: u32) -> u32 {
    return quad / params.together * params.together * params.row_blocks + quad % params.together;
}
