// Draws from the tokens that top-k, top-p and min-p keep; one workgroup, after sample_slices.wgsl. Only the MOST best tokens
// are looked at; where the filters would keep more, the CPU is asked to draw. Reference: src/sampler.rs.
//
// The k-th best of the slices' best is no better than the k-th best token, so the tokens at or above it are a short list that
// holds the k best; ranking the list by counting gives them in order.
#import sample_logits
#import sample_publish

override WORKGROUP: u32 = 64u;

// Tokens that filters may keep, and room for the list.
const MOST: u32 = 256u;
const CANDIDATES: u32 = 1024u;

@group(0) @binding(4) var<storage, read_write> counts: array<u32>;        // [vocab_size]
@group(0) @binding(5) var<storage, read_write> step: Step;
@group(0) @binding(6) var<storage, read> slices: array<vec4<u32>>;        // [SLICES]
@group(0) @binding(7) var<storage, read_write> ring: array<vec4<u32>>;    // [RING]
// (id, bits of the logit): CANDIDATES as they are found, then MOST in order. Not workgroup memory: SwiftShader takes a second
// and more to compile a kernel that has so much of it.
@group(0) @binding(8) var<storage, read_write> list: array<vec2<u32>>;

var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> flags: atomic<u32>;
var<workgroup> n_candidates: atomic<u32>;
var<workgroup> threshold: f32;

fn slice_best(slice: u32) -> f32 {
    return bitcast<f32>(slices[slice].y);
}

fn candidate(i: u32) -> f32 {
    return bitcast<f32>(list[i].y);
}

fn ranked(i: u32) -> f32 {
    return bitcast<f32>(list[CANDIDATES + i].y);
}

fn ranked_id(i: u32) -> u32 {
    return list[CANDIDATES + i].x;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) local: u32) {
    for (var i = local; i < SLICES; i += WORKGROUP) {
        atomicOr(&flags, slices[i].z);
    }
    workgroupBarrier();
    let k = min(select(sampling.top_k, MOST, sampling.top_k == 0u), min(MOST, params.vocab_size));
    var best = LOWEST;
    for (var i = local; i < SLICES; i += WORKGROUP) {
        let mine = slice_best(i);
        best = max(best, mine);
        var rank = 0u;
        for (var j = 0u; j < SLICES; j++) {
            rank += u32(slice_best(j) > mine || (slice_best(j) == mine && j < i));
        }
        if (rank == k - 1u) {
            threshold = mine;
        }
    }
    // For now each lane's best; the whole vocabulary's sum follows.
    sums[local] = best;
    workgroupBarrier();
    for (var i = 0u; i < WORKGROUP; i++) {
        best = max(best, sums[i]);
    }
    let least = threshold;
    let first = (step.n_outputs - 1u) * params.x_stride;
    workgroupBarrier();

    var sum = 0.0;
    for (var i = local; i < SLICES; i += WORKGROUP) {
        sum += bitcast<f32>(slices[i].w) * exp((slice_best(i) - best) * sampling.sharpness);
        if (slice_best(i) >= least) {
            let slice = ids_of_slice(i);
            for (var id = slice.x; id < slice.y; id++) {
                let logit = logit_of(id, first);
                if (logit >= least) {
                    let at = atomicAdd(&n_candidates, 1u);
                    if (at < CANDIDATES) {
                        list[at] = vec2<u32>(id, bitcast<u32>(logit));
                    }
                }
            }
        }
    }
    sums[local] = sum;
    storageBarrier();
    workgroupBarrier();
    let n = min(atomicLoad(&n_candidates), CANDIDATES);
    for (var i = local; i < n; i += WORKGROUP) {
        let mine = candidate(i);
        var rank = 0u;
        for (var j = 0u; j < n; j++) {
            rank += u32(candidate(j) > mine || (candidate(j) == mine && list[j].x < list[i].x));
        }
        if (rank < k) {
            list[CANDIDATES + rank] = list[i];
        }
    }
    storageBarrier();
    workgroupBarrier();
    if (local == 0u) {
        draw(best, min(k, n), n < k);
    }
}

// Most likely first: how many of the k are kept, and which of them has the largest noise. `few`: no more may be drawn.
fn draw(best: f32, k: u32, few: bool) {
    var found = atomicLoad(&flags);
    if (atomicLoad(&n_candidates) > CANDIDATES) {
        found |= ON_CPU;
    }
    let all_are_here = few || sampling.top_k != 0u || k == params.vocab_size;
    var whole = 0.0;
    if (all_are_here) {
        for (var i = 0u; i < k; i++) {
            whole += exp((ranked(i) - best) * sampling.sharpness);
        }
    } else {
        for (var i = 0u; i < WORKGROUP; i++) {
            whole += sums[i];
        }
    }
    let key = noise_key(sampling.seed_low, sampling.seed_high, step.rows[step.n_rows - 1u].z + 1u);
    var before = 0.0;
    var ended = all_are_here;
    var winner = ranked_id(0u);
    var most = LOWEST;
    for (var i = 0u; i < k; i++) {
        let weight = exp((ranked(i) - best) * sampling.sharpness);
        // The best token stays whatever the filters are.
        if (i > 0u && (weight < sampling.min_p || (sampling.top_p < 1.0 && before >= sampling.top_p * whole))) {
            ended = true;
            break;
        }
        before += weight;
        let value = (ranked(i) - best) * sampling.sharpness + gumbel(key, ranked_id(i));
        if (value > most) {
            most = value;
            winner = ranked_id(i);
        }
    }
    if (!ended && !(sampling.top_p < 1.0 && before >= sampling.top_p * whole)) {
        found |= ON_CPU;
    }
    publish(winner, most, found, (sampling.flags & PENALTIES) != 0u);
}
