// A sub-block of x where all invocations want the same one and subgroups have exactly four of them: each loads two vec4s
// and broadcasts them, since CPU adapters broadcast a value ten times faster than they load one.
enable subgroups;
diagnostic(off, subgroup_uniformity);

fn load_x(row: u32, block: u32, local: u32) -> Block {
    let i = params.x_offset + row * params.x_stride + block * 8u + (local & 3u);
    let a = x[i];
    let b = x[i + 4u];
    return Block(
        subgroupBroadcast(a, 0u), subgroupBroadcast(a, 1u), subgroupBroadcast(a, 2u), subgroupBroadcast(a, 3u),
        subgroupBroadcast(b, 0u), subgroupBroadcast(b, 1u), subgroupBroadcast(b, 2u), subgroupBroadcast(b, 3u),
    );
}
