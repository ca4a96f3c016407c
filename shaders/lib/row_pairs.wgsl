// Two rows of a step at a time ("a pair"), which share what they load of the cache where they are of one slot.
#import step
#import window

// Rows a and b, the same one where a pair has only one, and the positions that either looks at.
struct Pair {
    a: u32,
    b: u32,
    slot: u32,
    begin: u32,
    end: u32,
}

// Rows of two slots are two pairs of one row each.
fn pairs_of(first: u32) -> u32 {
    return select(1u, 2u, step.rows[first].y != step.rows[min(first + 1u, step.n_rows - 1u)].y);
}

// Of the rows `first` and the one after it, pair i of pairs_of(first).
fn pair_of(first: u32, i: u32) -> Pair {
    let second = min(first + 1u, step.n_rows - 1u);
    let apart = step.rows[first].y != step.rows[second].y;
    let a = select(first, second, i == 1u);
    let b = select(second, a, apart);
    let row_a = step.rows[a];
    let position_b = step.rows[b].z;
    return Pair(
        a, b, row_a.y,
        min(first_position(row_a.z), first_position(position_b)),
        max(end_position(row_a.z, step.source_length), end_position(position_b, step.source_length)),
    );
}

// The pair that a row is in.
fn pair_with(row: u32) -> Pair {
    let first = row & ~1u;
    return pair_of(first, select(0u, row & 1u, pairs_of(first) == 2u));
}
