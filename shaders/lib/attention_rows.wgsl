// What the three attention kernels for CPU adapters share. An invocation works for up to four query heads that read the
// same keys and values ("a head group"), so that each load of the cache serves all of them.
struct Params {
    heads: u32,
    kv_heads: u32,
    // vec4s of a head.
    head_quads: u32,
    // Positions the cache has room for.
    capacity: u32,
    // Positions a row looks back, itself included; 0 for all.
    window: u32,
    // Row strides and offsets in vec4s.
    q_stride: u32,
    q_offset: u32,
    y_stride: u32,
    // vec4s of one (row, head) of scores; the last one holds 1 / sum.
    score_quads: u32,
    scale: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Four query heads of one KV head.
struct HeadGroup {
    kv_head: u32,
    // First query head, and how many of the four exist.
    first: u32,
    count: u32,
}

// Group z of the grid: KV heads, each with ceil(heads / kv_heads / 4) groups.
fn head_group(z: u32) -> HeadGroup {
    let heads_of_one = params.heads / params.kv_heads;
    let groups_of_one = (heads_of_one + 3u) / 4u;
    let kv_head = z / groups_of_one;
    let chunk = (z % groups_of_one) * 4u;
    return HeadGroup(kv_head, kv_head * heads_of_one + chunk, min(4u, heads_of_one - chunk));
}

// Query head i of the group; those past the end repeat the last, and what they give is not stored.
fn head_of(group: HeadGroup, i: u32) -> u32 {
    return group.first + min(i, group.count - 1u);
}

// First position that a row at `position` looks at.
fn first_position(position: u32) -> u32 {
    let end = position + 1u;
    return select(0u, end - params.window, params.window != 0u && end > params.window);
}
