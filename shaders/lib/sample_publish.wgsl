// A drawn token goes three ways: into the ring that the CPU reads, into the row of the next step, and into the counts that
// penalties look at. `step`, `ring` and `counts` are writable here.

// Places of the ring; the token for position p is at p modulo this (src/ops/sample.rs).
const RING: u32 = 16u;

fn publish(id: u32, value: f32, flags: u32, count: bool) {
    let row = step.rows[step.n_rows - 1u];
    let position = row.z + 1u;
    ring[position % RING] = vec4<u32>(id, bitcast<u32>(value), flags, position);
    step.n_rows = 1u;
    step.n_outputs = 1u;
    step.rows[0] = vec4<u32>(id, row.y, position, 0u);
    if (count) {
        counts[id] += 1u;
    }
}
