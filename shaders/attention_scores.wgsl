// Attention on CPU adapters, 1 of 3: scores q · k · scale of two rows, a head group by four positions an invocation.
// Reference: src/ops/attention.rs.
#import step
#import KV
#import attention_rows
#import head_groups
#import row_pairs

@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> q: array<vec4<f32>>;            // [tokens, heads, head_quads]
@group(0) @binding(3) var<storage, read> k_cache: array<KvQuad>;         // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read_write> scores: array<vec4<f32>>; // [tokens, heads, score_quads]

// A quad of the keys of four positions.
struct Keys {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn dots(k: Keys, q: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(dot(k.a, q), dot(k.b, q), dot(k.c, q), dot(k.d, q));
}

fn store_scores(row: u32, head: u32, quad: u32, sum: vec4<f32>) {
    scores[(row * params.heads + head) * params.score_quads + quad] = sum * params.scale;
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = params.first_row + id.y * 2u;
    let group = head_group(id.z);
    let h0 = head_of(group, 0u);
    let h1 = head_of(group, 1u);
    let h2 = head_of(group, 2u);
    let h3 = head_of(group, 3u);
    for (var i = 0u; i < pairs_of(first); i++) {
        let pair = pair_of(first, i);
        if (id.x * 4u >= pair.end || id.x * 4u + 3u < pair.begin) {
            continue;
        }
        let qa = params.q_offset + pair.a * params.q_stride;
        let qb = params.q_offset + pair.b * params.q_stride;
        let q0 = h0 * params.head_quads;
        let q1 = h1 * params.head_quads;
        let q2 = h2 * params.head_quads;
        let q3 = h3 * params.head_quads;
        let k0 = ((pair.slot * params.kv_heads + group.kv_head) * params.capacity + id.x * 4u) * params.head_quads;
        let k1 = k0 + params.head_quads;
        let k2 = k1 + params.head_quads;
        let k3 = k2 + params.head_quads;
        var a0 = vec4<f32>(0.0);
        var a1 = vec4<f32>(0.0);
        var a2 = vec4<f32>(0.0);
        var a3 = vec4<f32>(0.0);
        var b0 = vec4<f32>(0.0);
        var b1 = vec4<f32>(0.0);
        var b2 = vec4<f32>(0.0);
        var b3 = vec4<f32>(0.0);
        for (var j = 0u; j < params.head_quads; j++) {
            let k = Keys(kv_unpack(k_cache[k0 + j]), kv_unpack(k_cache[k1 + j]), kv_unpack(k_cache[k2 + j]), kv_unpack(k_cache[k3 + j]));
            a0 += dots(k, q[qa + q0 + j]);
            b0 += dots(k, q[qb + q0 + j]);
            if (HEADS > 1u) {
                a1 += dots(k, q[qa + q1 + j]);
                b1 += dots(k, q[qb + q1 + j]);
            }
            if (HEADS > 2u) {
                a2 += dots(k, q[qa + q2 + j]);
                b2 += dots(k, q[qb + q2 + j]);
            }
            if (HEADS > 3u) {
                a3 += dots(k, q[qa + q3 + j]);
                b3 += dots(k, q[qb + q3 + j]);
            }
        }
        // Heads past the end repeat the last one, and a pair of one row has it twice: they store the same again.
        store_scores(pair.a, h0, id.x, a0);
        store_scores(pair.b, h0, id.x, b0);
        if (HEADS > 1u) {
            store_scores(pair.a, h1, id.x, a1);
            store_scores(pair.b, h1, id.x, b1);
        }
        if (HEADS > 2u) {
            store_scores(pair.a, h2, id.x, a2);
            store_scores(pair.b, h2, id.x, b2);
        }
        if (HEADS > 3u) {
            store_scores(pair.a, h3, id.x, a3);
            store_scores(pair.b, h3, id.x, b3);
        }
    }
}
