// The best of sample_slices.wgsl's slices is drawn; one workgroup. Reference: src/sampler.rs.
#import step
#import sampling
#import sample_publish

override WORKGROUP: u32 = 32u;

struct Params {
    pad0: u32,
    pad1: u32,
    pad2: u32,
    pad3: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sampling: Sampling;
@group(0) @binding(2) var<storage, read> slices: array<vec4<u32>>;        // [SLICES]
@group(0) @binding(3) var<storage, read_write> step: Step;
@group(0) @binding(4) var<storage, read_write> ring: array<vec4<u32>>;    // [RING]
@group(0) @binding(5) var<storage, read_write> counts: array<u32>;        // [vocab_size]

var<workgroup> candidates: array<vec4<u32>, WORKGROUP>;

// Slices come in order of ids, so the first of equals has the lowest id.
fn better(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let winner = select(a, b, bitcast<f32>(b.y) > bitcast<f32>(a.y));
    return vec4<u32>(winner.xy, a.z | b.z, 0u);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) local: u32) {
    let per_lane = SLICES / WORKGROUP;
    var winner = slices[local * per_lane];
    for (var i = 1u; i < per_lane; i++) {
        winner = better(winner, slices[local * per_lane + i]);
    }
    candidates[local] = winner;
    workgroupBarrier();
    if (local == 0u) {
        for (var i = 1u; i < WORKGROUP; i++) {
            winner = better(winner, candidates[i]);
        }
        publish(winner.x, bitcast<f32>(winner.y), winner.z, (sampling.flags & PENALTIES) != 0u);
    }
}
