// One invocation has the whole sum already; those of a workgroup work at a row each.
alias Sums = mat3x4<f32>;

// Which row an invocation works at, the first of its columns, and how far it is to the next.
fn row_of(group: u32, local: u32) -> u32 {
    return group * WORKGROUP + local;
}

fn first_column(local: u32) -> u32 {
    return 0u;
}

fn next_column() -> u32 {
    return 1u;
}

// Before the next sum.
fn settle() {}

fn reduce(value: Sums, local: u32) -> Sums {
    return value;
}
