// Sum over the workgroup through its memory: each invocation leaves its value, the first ones add them up in halves.
alias Sums = mat3x4<f32>;

// Which row an invocation works at, the first of its columns, and how far it is to the next.
fn row_of(group: u32, local: u32) -> u32 {
    return group;
}

fn first_column(local: u32) -> u32 {
    return local;
}

fn next_column() -> u32 {
    return WORKGROUP;
}

var<workgroup> partials: array<Sums, WORKGROUP>;

// Before the next sum: no invocation writes while another still reads.
fn settle() {
    workgroupBarrier();
}

fn reduce(value: Sums, local: u32) -> Sums {
    partials[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (local < half) {
            partials[local] += partials[local + half];
        }
        workgroupBarrier();
    }
    return partials[0];
}
