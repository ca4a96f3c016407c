// What changes from step to step: written once a step by the CPU (src/backend/step.rs).
struct Step {
    // Rows in this step, and how many of the last ones go on to the head.
    n_rows: u32,
    n_outputs: u32,
    // Tokens of the text that an encoder reads or has read: what attention over all positions looks at.
    source_length: u32,
    pad0: u32,
    // One a row: token id, slot, position, unused.
    rows: array<vec4<u32>>,
}
