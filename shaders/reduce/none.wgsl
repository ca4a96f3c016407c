// One invocation has the whole sum already.
alias Sums = mat3x4<f32>;

fn reduce(value: Sums, local: u32) -> Sums {
    return value;
}
