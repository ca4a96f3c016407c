// What the three attention kernels for CPU adapters share. An invocation works for the query heads of a group, which read the
// same keys and values ("a head group"), so that each load of the cache serves all of them.
#import window

struct Params {
    heads: u32,
    kv_heads: u32,
    // vec4s of a head.
    head_quads: u32,
    // Positions the cache has room for.
    capacity: u32,
    // Positions a row looks back, itself included; 0 for all, and ALL for what comes after as well.
    window: u32,
    // Row strides and offsets in vec4s.
    q_stride: u32,
    q_offset: u32,
    y_stride: u32,
    // vec4s of one (row, head) of scores; the last one holds 1 / sum.
    score_quads: u32,
    scale: f32,
    // The row that this dispatch begins with: long ones are cut.
    first_row: u32,
    // Whether heads have a sink.
    has_sinks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
