// Formats of 256 weights a block whose eight sub-blocks ("a run") share words of scales. A kernel that takes a run's sub-blocks one
// after the other loads those once: load_run(b) for a run of a quad, and of what it gives scales_in(run, s) makes the scales of
// sub-block s. scales_of(i) loads what sub-block i alone needs.
#import scales

// The run of a quad that sub-block `i` is in. Such formats have params.together = 1.
fn run_of(i: u32) -> u32 {
    return i >> 3u;
}

// Of four words the one that sub-block s shares with the one beside it.
fn word_of_pair(s: u32, w0: vec4<u32>, w1: vec4<u32>, w2: vec4<u32>, w3: vec4<u32>) -> vec4<u32> {
    let second = (s & 2u) != 0u;
    return select(select(w0, w1, second), select(w2, w3, second), (s & 4u) != 0u);
}
