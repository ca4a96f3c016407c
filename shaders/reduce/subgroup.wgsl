// Sum over the workgroup: within subgroups by subgroupAdd, then over one value a subgroup through workgroup memory.
// Subgroups are taken to be runs of consecutive invocations, as they are for one-dimensional workgroups everywhere known;
// the sums come in that order, so that results repeat.
enable subgroups;

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
    let size = subgroupAdd(1u);
    partials[local / size] = Sums(subgroupAdd(value[0]), subgroupAdd(value[1]), subgroupAdd(value[2]));
    workgroupBarrier();
    var total = Sums();
    // A subgroup may be larger than the workgroup.
    for (var i = 0u; i < (WORKGROUP + size - 1u) / size; i++) {
        total += partials[i];
    }
    return total;
}
