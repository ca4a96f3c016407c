// Which positions a row looks at: its own and those before, as far as `params.window` goes; 0 is all.
fn first_position(position: u32) -> u32 {
    let end = position + 1u;
    return select(0u, end - params.window, params.window != 0u && end > params.window);
}
