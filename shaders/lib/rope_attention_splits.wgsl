// How the positions that a row attends to are split among workgroups or invocations (src/ops/rope_attention.rs has the same
// formula for the grid).
#import window

struct Splits {
    // Positions [begin, end), in splits of `size`.
    begin: u32,
    end: u32,
    size: u32,
    n: u32,
}

fn splits_of(position: u32) -> Splits {
    let end = position + 1u;
    let begin = first_position(position);
    let length = end - begin;
    // Whole tiles, as few as give at most max_splits splits.
    let tiles = (length + params.tile - 1u) / params.tile;
    let size = (tiles + params.max_splits - 1u) / params.max_splits * params.tile;
    return Splits(begin, end, size, (length + size - 1u) / size);
}
