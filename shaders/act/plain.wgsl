// A sub-block of x, loaded whole by each invocation.
fn load_x(row: u32, block: u32, local: u32) -> Block {
    let i = params.x_offset + row * params.x_stride + block * 8u;
    return Block(x[i], x[i + 1u], x[i + 2u], x[i + 3u], x[i + 4u], x[i + 5u], x[i + 6u], x[i + 7u]);
}
