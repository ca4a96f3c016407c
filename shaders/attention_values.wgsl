// Attention on CPU adapters, 3 of 3: the weighted sum of the values of one row, a head group by four columns an
// invocation. Reference: src/ops/attention.rs.
#import step
#import KV
#import attention_rows
#import head_groups

@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> scores: array<vec4<f32>>;  // [tokens, heads, score_quads]
@group(0) @binding(3) var<storage, read> v_cache: array<KvQuad>;    // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [tokens, heads, head_quads]

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.head_quads) {
        return;
    }
    let row = step.rows[id.y];
    let group = head_group(id.z);
    let h0 = head_of(group, 0u);
    let h1 = head_of(group, 1u);
    let h2 = head_of(group, 2u);
    let h3 = head_of(group, 3u);
    let p0 = (id.y * params.heads + h0) * params.score_quads;
    let p1 = (id.y * params.heads + h1) * params.score_quads;
    let p2 = (id.y * params.heads + h2) * params.score_quads;
    let p3 = (id.y * params.heads + h3) * params.score_quads;
    let v = (row.y * params.kv_heads + group.kv_head) * params.capacity * params.head_quads + id.x;
    var o0 = vec4<f32>(0.0);
    var o1 = vec4<f32>(0.0);
    var o2 = vec4<f32>(0.0);
    var o3 = vec4<f32>(0.0);
    let last = row.z / 4u;
    for (var i = first_position(row.z) / 4u; i <= last; i++) {
        let at = v + i * 4u * params.head_quads;
        let va = kv_unpack(v_cache[at]);
        let vb = kv_unpack(v_cache[at + params.head_quads]);
        let vc = kv_unpack(v_cache[at + 2u * params.head_quads]);
        let vd = kv_unpack(v_cache[at + 3u * params.head_quads]);
        let a = scores[p0 + i];
        o0 += va * a.x + vb * a.y + vc * a.z + vd * a.w;
        if (HEADS > 1u) {
            let b = scores[p1 + i];
            o1 += va * b.x + vb * b.y + vc * b.z + vd * b.w;
        }
        if (HEADS > 2u) {
            let c = scores[p2 + i];
            o2 += va * c.x + vb * c.y + vc * c.z + vd * c.w;
        }
        if (HEADS > 3u) {
            let d = scores[p3 + i];
            o3 += va * d.x + vb * d.y + vc * d.z + vd * d.w;
        }
    }
    let to = id.y * params.y_stride + id.x;
    let sum = params.score_quads - 1u;
    y[to + h0 * params.head_quads] = o0 * scores[p0 + sum].x;
    if (HEADS > 1u && group.count > 1u) {
        y[to + h1 * params.head_quads] = o1 * scores[p1 + sum].x;
    }
    if (HEADS > 2u && group.count > 2u) {
        y[to + h2 * params.head_quads] = o2 * scores[p2 + sum].x;
    }
    if (HEADS > 3u && group.count > 3u) {
        y[to + h3 * params.head_quads] = o3 * scores[p3 + sum].x;
    }
}
