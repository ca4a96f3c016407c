// Which positions a row looks at: its own and those before, as far as `params.window` goes; 0 is all of them, and ALL is all of
// the source's, wherever the row stands.
const ALL: u32 = 0xffffffffu;

fn first_position(position: u32) -> u32 {
    let end = position + 1u;
    return select(0u, end - params.window, params.window != 0u && end > params.window);
}

// Where they end.
fn end_position(position: u32, source_length: u32) -> u32 {
    return select(position + 1u, source_length, params.window == ALL);
}
