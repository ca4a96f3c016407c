// What changes from step to step: written once a step by the CPU (src/backend.rs, `write_rows`).
struct Step {
    // Rows in this step, and how many of the last ones go on to the head.
    n_rows: u32,
    n_outputs: u32,
    pad0: u32,
    pad1: u32,
    // One a row: token id, slot, position, unused.
    rows: array<vec4<u32>>,
}
