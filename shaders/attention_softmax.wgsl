// Attention on CPU adapters, 2 of 3: scores become exp(score − maximum), zero where only the other row of the pair looks, and
// the last vec4 of a row's scores becomes 1 / sum; a (row, head) an invocation. Reference: src/ops/attention.rs.
#import step
#import attention_rows
#import row_pairs

// Finite, so that no difference of infinities can arise.
const LOWEST: f32 = -1e30;

@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> sinks: array<f32>;              // [heads]
@group(0) @binding(3) var<storage, read_write> scores: array<vec4<f32>>; // [tokens, heads, score_quads]

// The scores of quad `quad`, LOWEST at positions outside [begin, end).
fn masked(score: vec4<f32>, quad: u32, begin: u32, end: u32) -> vec4<f32> {
    let position = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = (position >= vec4<u32>(begin)) & (position < vec4<u32>(end));
    return select(vec4<f32>(LOWEST), score, inside);
}

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.heads) {
        return;
    }
    let position = step.rows[id.y].z;
    let end = end_position(position, step.source_length);
    let begin = first_position(position);
    let base = (id.y * params.heads + id.x) * params.score_quads;
    let pair = pair_with(id.y);
    let first = pair.begin / 4u;
    let last = (pair.end + 3u) / 4u;
    var maximum = vec4<f32>(LOWEST);
    for (var i = first; i < last; i++) {
        maximum = max(maximum, masked(scores[base + i], i, begin, end));
    }
    let m = max(max(maximum.x, maximum.y), max(maximum.z, maximum.w));
    var sum = vec4<f32>(0.0);
    for (var i = first; i < last; i++) {
        let p = exp(masked(scores[base + i], i, begin, end) - m);
        sum += p;
        scores[base + i] = p;
    }
    var total = (sum.x + sum.y) + (sum.z + sum.w);
    if (params.has_sinks != 0u) {
        total += exp(sinks[id.x] - m);
    }
    scores[base + params.score_quads - 1u] = vec4<f32>(1.0 / total);
}
