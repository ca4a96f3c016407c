// Attention on CPU adapters, 3 of 3: the weighted sum of the values of two rows, a head group by four columns an
// invocation. Reference: src/ops/attention.rs.
#import step
#import KV
#import attention_rows
#import head_groups
#import row_pairs

@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> scores: array<vec4<f32>>;  // [tokens, heads, score_quads]
@group(0) @binding(3) var<storage, read> v_cache: array<KvQuad>;    // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>; // [tokens, heads, head_quads]

// A quad of the values of four positions.
struct Values {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn weighted(v: Values, p: vec4<f32>) -> vec4<f32> {
    return v.a * p.x + v.b * p.y + v.c * p.z + v.d * p.w;
}

// Where the scores of a (row, head) are.
fn scores_of(row: u32, head: u32) -> u32 {
    return (row * params.heads + head) * params.score_quads;
}

fn store_y(row: u32, head: u32, column: u32, sum: vec4<f32>) {
    let inverse = scores[scores_of(row, head) + params.score_quads - 1u].x;
    y[row * params.y_stride + head * params.head_quads + column] = sum * inverse;
}

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.head_quads) {
        return;
    }
    let first = params.first_row + id.y * 2u;
    let group = head_group(id.z);
    let h0 = head_of(group, 0u);
    let h1 = head_of(group, 1u);
    let h2 = head_of(group, 2u);
    let h3 = head_of(group, 3u);
    for (var i = 0u; i < pairs_of(first); i++) {
        let pair = pair_of(first, i);
        let pa = scores_of(pair.a, 0u);
        let pb = scores_of(pair.b, 0u);
        let p0 = h0 * params.score_quads;
        let p1 = h1 * params.score_quads;
        let p2 = h2 * params.score_quads;
        let p3 = h3 * params.score_quads;
        let v0 = (pair.slot * params.kv_heads + group.kv_head) * params.capacity * params.head_quads + id.x;
        var a0 = vec4<f32>(0.0);
        var a1 = vec4<f32>(0.0);
        var a2 = vec4<f32>(0.0);
        var a3 = vec4<f32>(0.0);
        var b0 = vec4<f32>(0.0);
        var b1 = vec4<f32>(0.0);
        var b2 = vec4<f32>(0.0);
        var b3 = vec4<f32>(0.0);
        for (var j = pair.begin / 4u; j * 4u < pair.end; j++) {
            let at = v0 + j * 4u * params.head_quads;
            let v = Values(
                kv_unpack(v_cache[at]), kv_unpack(v_cache[at + params.head_quads]),
                kv_unpack(v_cache[at + 2u * params.head_quads]), kv_unpack(v_cache[at + 3u * params.head_quads]),
            );
            a0 += weighted(v, scores[pa + p0 + j]);
            b0 += weighted(v, scores[pb + p0 + j]);
            if (HEADS > 1u) {
                a1 += weighted(v, scores[pa + p1 + j]);
                b1 += weighted(v, scores[pb + p1 + j]);
            }
            if (HEADS > 2u) {
                a2 += weighted(v, scores[pa + p2 + j]);
                b2 += weighted(v, scores[pb + p2 + j]);
            }
            if (HEADS > 3u) {
                a3 += weighted(v, scores[pa + p3 + j]);
                b3 += weighted(v, scores[pb + p3 + j]);
            }
        }
        // Heads past the end repeat the last one, and a pair of one row has it twice: they store the same again.
        store_y(pair.a, h0, id.x, a0);
        store_y(pair.b, h0, id.x, b0);
        if (HEADS > 1u) {
            store_y(pair.a, h1, id.x, a1);
            store_y(pair.b, h1, id.x, b1);
        }
        if (HEADS > 2u) {
            store_y(pair.a, h2, id.x, a2);
            store_y(pair.b, h2, id.x, b2);
        }
        if (HEADS > 3u) {
            store_y(pair.a, h3, id.x, a3);
            store_y(pair.b, h3, id.x, b3);
        }
    }
}
