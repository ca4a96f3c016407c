// Query heads in groups of HEADS, up to four, that read the same keys and values; `params` has heads and kv_heads.
#import HEADS

// Query heads of one KV head.
struct HeadGroup {
    kv_head: u32,
    // First query head, and how many there are.
    first: u32,
    count: u32,
}

// Group z of the grid: KV heads, each with ceil(heads / kv_heads / HEADS) groups.
fn head_group(z: u32) -> HeadGroup {
    let heads_of_one = params.heads / params.kv_heads;
    let groups_of_one = (heads_of_one + HEADS - 1u) / HEADS;
    let kv_head = z / groups_of_one;
    let chunk = (z % groups_of_one) * HEADS;
    return HeadGroup(kv_head, kv_head * heads_of_one + chunk, min(HEADS, heads_of_one - chunk));
}

// Query head i of the group; those past the end repeat the last, and what they give is not stored.
fn head_of(group: HeadGroup, i: u32) -> u32 {
    return group.first + min(i, group.count - 1u);
}
