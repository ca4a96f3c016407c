// One invocation has the whole sum already.
alias Sums = mat3x4<f32>;

// Before the next sum.
fn settle() {}

fn reduce(value: Sums, local: u32) -> Sums {
    return value;
}
