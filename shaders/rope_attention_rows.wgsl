// One row of attention on CPU adapters, 1 of 2 (rope_attention_combine.wgsl is the other): rotary embedding of q and k, k and v
// into the cache, and attention over one split of 16 positions; an invocation a split and up to four query heads of one KV
// head, so that each load of the cache serves all of them. No barrier. Reference: src/ops/rope_attention.rs.
#import rope_attention_io
#import head_groups

const TILE: u32 = 16u;

// Four rows of a cached [position, head_quads], quad i, as a matrix whose columns are positions.
fn keys(rows: vec4<u32>, i: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        kv_unpack(k_cache[rows.x + i]), kv_unpack(k_cache[rows.y + i]),
        kv_unpack(k_cache[rows.z + i]), kv_unpack(k_cache[rows.w + i]),
    );
}

fn values(rows: vec4<u32>, i: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        kv_unpack(v_cache[rows.x + i]), kv_unpack(v_cache[rows.y + i]),
        kv_unpack(v_cache[rows.z + i]), kv_unpack(v_cache[rows.w + i]),
    );
}

struct Softmax {
    maximum: f32,
    sum: f32,
    p0: vec4<f32>,
    p1: vec4<f32>,
    p2: vec4<f32>,
    p3: vec4<f32>,
}

// exp(score − maximum) of sixteen scores, of which the first `count` are positions.
fn softmax(scores: mat4x4<f32>, count: u32) -> Softmax {
    let i = vec4<u32>(0u, 1u, 2u, 3u);
    let a = select(vec4<f32>(LOWEST), scores[0] * params.scale, i < vec4<u32>(count));
    let b = select(vec4<f32>(LOWEST), scores[1] * params.scale, i + 4u < vec4<u32>(count));
    let c = select(vec4<f32>(LOWEST), scores[2] * params.scale, i + 8u < vec4<u32>(count));
    let d = select(vec4<f32>(LOWEST), scores[3] * params.scale, i + 12u < vec4<u32>(count));
    let m = max(max(a, b), max(c, d));
    let maximum = max(max(m.x, m.y), max(m.z, m.w));
    let p0 = exp(a - maximum);
    let p1 = exp(b - maximum);
    let p2 = exp(c - maximum);
    let p3 = exp(d - maximum);
    let s = (p0 + p1) + (p2 + p3);
    return Softmax(maximum, (s.x + s.y) + (s.z + s.w), p0, p1, p2, p3);
}

// Loops over these instead of four calls: what is called four times is compiled four times.
fn one_of(k: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return select(select(a, b, k == 1u), select(c, d, k == 3u), k > 1u);
}

fn rows_of(k: u32, a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>) -> vec4<u32> {
    return select(select(a, b, k == 1u), select(c, d, k == 3u), k > 1u);
}

@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = step.rows[0];
    let splits = splits_of(row.z);
    if (id.x >= splits.n) {
        return;
    }
    let group = head_group(id.y);
    let begin = splits.begin + id.x * TILE;
    let count = min(TILE, splits.end - begin);
    let cache = (row.y * params.kv_heads + group.kv_head) * params.capacity;
    if (begin + count == splits.end) {
        // The last split brings its own position into the cache. Where several groups share a KV head, each writes the same.
        let to = (cache + row.z) * params.head_quads;
        let first = group.kv_head * params.head_quads;
        for (var i = 0u; i < params.head_quads; i++) {
            let turn = turn_of(row.z, i);
            let key = k[params.k_offset + first + i] * turn.cos + k[params.k_offset + first + turn.partner] * turn.sin;
            k_cache[to + i] = kv_pack(key);
            v_cache[to + i] = kv_pack(v[params.v_offset + first + i]);
        }
    }
    // Positions past the end read the last one again; their weight is zero.
    let i4 = vec4<u32>(0u, 1u, 2u, 3u);
    let last = vec4<u32>(count - 1u);
    let r0 = (vec4<u32>(cache + begin) + min(i4, last)) * params.head_quads;
    let r1 = (vec4<u32>(cache + begin) + min(i4 + 4u, last)) * params.head_quads;
    let r2 = (vec4<u32>(cache + begin) + min(i4 + 8u, last)) * params.head_quads;
    let r3 = (vec4<u32>(cache + begin) + min(i4 + 12u, last)) * params.head_quads;
    let q0 = params.q_offset + head_of(group, 0u) * params.head_quads;
    let q1 = params.q_offset + head_of(group, 1u) * params.head_quads;
    let q2 = params.q_offset + head_of(group, 2u) * params.head_quads;
    let q3 = params.q_offset + head_of(group, 3u) * params.head_quads;
    // Scores of a head: four columns of four positions.
    var s0 = mat4x4<f32>();
    var s1 = mat4x4<f32>();
    var s2 = mat4x4<f32>();
    var s3 = mat4x4<f32>();
    for (var i = 0u; i < params.head_quads; i++) {
        let turn = turn_of(row.z, i);
        let a = q[q0 + i] * turn.cos + q[q0 + turn.partner] * turn.sin;
        let k0 = keys(r0, i);
        let k1 = keys(r1, i);
        let k2 = keys(r2, i);
        let k3 = keys(r3, i);
        s0 += mat4x4<f32>(a * k0, a * k1, a * k2, a * k3);
        if (HEADS > 1u) {
            let b = q[q1 + i] * turn.cos + q[q1 + turn.partner] * turn.sin;
            s1 += mat4x4<f32>(b * k0, b * k1, b * k2, b * k3);
        }
        if (HEADS > 2u) {
            let c = q[q2 + i] * turn.cos + q[q2 + turn.partner] * turn.sin;
            s2 += mat4x4<f32>(c * k0, c * k1, c * k2, c * k3);
        }
        if (HEADS > 3u) {
            let d = q[q3 + i] * turn.cos + q[q3 + turn.partner] * turn.sin;
            s3 += mat4x4<f32>(d * k0, d * k1, d * k2, d * k3);
        }
    }
    let a = softmax(s0, count);
    var b: Softmax;
    var c: Softmax;
    var d: Softmax;
    if (HEADS > 1u) {
        b = softmax(s1, count);
    }
    if (HEADS > 2u) {
        c = softmax(s2, count);
    }
    if (HEADS > 3u) {
        d = softmax(s3, count);
    }
    let width = params.head_quads + 1u;
    let to0 = (head_of(group, 0u) * params.max_splits + id.x) * width;
    let to1 = (head_of(group, 1u) * params.max_splits + id.x) * width;
    let to2 = (head_of(group, 2u) * params.max_splits + id.x) * width;
    let to3 = (head_of(group, 3u) * params.max_splits + id.x) * width;
    for (var i = 0u; i < params.head_quads; i++) {
        var sum_a = vec4<f32>(0.0);
        var sum_b = vec4<f32>(0.0);
        var sum_c = vec4<f32>(0.0);
        var sum_d = vec4<f32>(0.0);
        for (var turn = 0u; turn < 4u; turn++) {
            let v = values(rows_of(turn, r0, r1, r2, r3), i);
            sum_a += v * one_of(turn, a.p0, a.p1, a.p2, a.p3);
            if (HEADS > 1u) {
                sum_b += v * one_of(turn, b.p0, b.p1, b.p2, b.p3);
            }
            if (HEADS > 2u) {
                sum_c += v * one_of(turn, c.p0, c.p1, c.p2, c.p3);
            }
            if (HEADS > 3u) {
                sum_d += v * one_of(turn, d.p0, d.p1, d.p2, d.p3);
            }
        }
        // Heads past the end repeat the last one and store the same again.
        partials[to0 + i] = sum_a;
        if (HEADS > 1u) {
            partials[to1 + i] = sum_b;
        }
        if (HEADS > 2u) {
            partials[to2 + i] = sum_c;
        }
        if (HEADS > 3u) {
            partials[to3 + i] = sum_d;
        }
    }
    partials[to0 + params.head_quads] = vec4<f32>(a.maximum, a.sum, 0.0, 0.0);
    if (HEADS > 1u) {
        partials[to1 + params.head_quads] = vec4<f32>(b.maximum, b.sum, 0.0, 0.0);
    }
    if (HEADS > 2u) {
        partials[to2 + params.head_quads] = vec4<f32>(c.maximum, c.sum, 0.0, 0.0);
    }
    if (HEADS > 3u) {
        partials[to3 + params.head_quads] = vec4<f32>(d.maximum, d.sum, 0.0, 0.0);
    }
}
