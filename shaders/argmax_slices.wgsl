// The best of argmax.wgsl's slices, a workgroup a row. Reference: src/ops/argmax.rs.

override WORKGROUP: u32 = 32u;

struct Params {
    slices: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> best: array<vec4<u32>>;         // [rows, slices]
@group(0) @binding(2) var<storage, read_write> chosen: array<vec4<u32>>; // [rows]

var<workgroup> candidates: array<vec4<u32>, WORKGROUP>;

// Slices come in order of ids, so the first of equals has the lowest id.
fn better(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let winner = select(a, b, bitcast<f32>(b.y) > bitcast<f32>(a.y));
    return vec4<u32>(winner.xy, a.z | b.z, 0u);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first = group.x * params.slices;
    let per_lane = (params.slices + WORKGROUP - 1u) / WORKGROUP;
    let begin = min(local * per_lane, params.slices);
    let end = min(begin + per_lane, params.slices);
    var winner = vec4<u32>(0u, bitcast<u32>(-3.4e38), 0u, 0u);
    if (begin < end) {
        winner = best[first + begin];
    }
    for (var i = begin + 1u; i < end; i++) {
        winner = better(winner, best[first + i]);
    }
    candidates[local] = winner;
    workgroupBarrier();
    if (local == 0u) {
        for (var i = 1u; i < WORKGROUP; i++) {
            winner = better(winner, candidates[i]);
        }
        chosen[group.x] = winner;
    }
}
