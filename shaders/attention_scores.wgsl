// Attention on CPU adapters, 1 of 3: scores q · k · scale of one row, a head group by four positions an invocation.
// Reference: src/ops/attention.rs.
#import step
#import KV
#import attention_rows
#import head_groups

@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> q: array<vec4<f32>>;            // [tokens, heads, head_quads]
@group(0) @binding(3) var<storage, read> k_cache: array<KvQuad>;         // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read_write> scores: array<vec4<f32>>; // [tokens, heads, score_quads]

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = step.rows[id.y];
    let begin = first_position(row.z);
    if (id.x * 4u > row.z || id.x * 4u + 3u < begin) {
        return;
    }
    let group = head_group(id.z);
    let h0 = head_of(group, 0u);
    let h1 = head_of(group, 1u);
    let h2 = head_of(group, 2u);
    let h3 = head_of(group, 3u);
    let q_row = params.q_offset + id.y * params.q_stride;
    let q0 = q_row + h0 * params.head_quads;
    let q1 = q_row + h1 * params.head_quads;
    let q2 = q_row + h2 * params.head_quads;
    let q3 = q_row + h3 * params.head_quads;
    let k0 = ((row.y * params.kv_heads + group.kv_head) * params.capacity + id.x * 4u) * params.head_quads;
    let k1 = k0 + params.head_quads;
    let k2 = k1 + params.head_quads;
    let k3 = k2 + params.head_quads;
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    for (var i = 0u; i < params.head_quads; i++) {
        let ka = kv_unpack(k_cache[k0 + i]);
        let kb = kv_unpack(k_cache[k1 + i]);
        let kc = kv_unpack(k_cache[k2 + i]);
        let kd = kv_unpack(k_cache[k3 + i]);
        let a = q[q0 + i];
        s0 += vec4<f32>(dot(ka, a), dot(kb, a), dot(kc, a), dot(kd, a));
        if (HEADS > 1u) {
            let b = q[q1 + i];
            s1 += vec4<f32>(dot(ka, b), dot(kb, b), dot(kc, b), dot(kd, b));
        }
        if (HEADS > 2u) {
            let c = q[q2 + i];
            s2 += vec4<f32>(dot(ka, c), dot(kb, c), dot(kc, c), dot(kd, c));
        }
        if (HEADS > 3u) {
            let d = q[q3 + i];
            s3 += vec4<f32>(dot(ka, d), dot(kb, d), dot(kc, d), dot(kd, d));
        }
    }
    let to = id.y * params.heads;
    scores[(to + h0) * params.score_quads + id.x] = s0 * params.scale;
    if (HEADS > 1u && group.count > 1u) {
        scores[(to + h1) * params.score_quads + id.x] = s1 * params.scale;
    }
    if (HEADS > 2u && group.count > 2u) {
        scores[(to + h2) * params.score_quads + id.x] = s2 * params.scale;
    }
    if (HEADS > 3u && group.count > 3u) {
        scores[(to + h3) * params.score_quads + id.x] = s3 * params.scale;
    }
}
