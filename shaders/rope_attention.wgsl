// One row of attention on GPUs, 1 of 2 (rope_attention_combine.wgsl is the other): rotary embedding of q and k, k and v into the
// cache, and attention over one split; a workgroup a split and up to HEADS query heads of one KV head, so that each key and
// value is read once for all of them. Positions go by in tiles of a workgroup's size: each invocation scores one position,
// then takes every n-th position's values for four columns; maximum and sum are carried first tile to tile
// (Milakov & Gimelshein 2018; Dao et al. 2022, alg. 1). Reference: src/ops/rope_attention.rs.
#import rope_attention_io
#import HEADS

const WORKGROUP: u32 = 64u;
// Invocations that look for one head's maximum.
const LANES: u32 = WORKGROUP / HEADS;
// Eight heads of up to 128 values, or four of up to 256.
const QUERY_QUADS: u32 = 256u;

var<workgroup> query: array<vec4<f32>, QUERY_QUADS>;        // [HEADS, head_quads]
var<workgroup> score: array<f32, HEADS * WORKGROUP>;        // [HEADS, positions of the tile]
var<workgroup> maxima: array<f32, WORKGROUP>;               // [HEADS, LANES]
var<workgroup> gathered: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row = step.rows[0];
    let splits = splits_of(row.z);
    let heads_of_one = params.heads / params.kv_heads;
    let chunks = (heads_of_one + HEADS - 1u) / HEADS;
    let kv_head = group.y / chunks;
    let chunk = group.y % chunks * HEADS;
    let first_head = kv_head * heads_of_one + chunk;
    let n_heads = min(HEADS, heads_of_one - chunk);
    let begin = splits.begin + group.x * splits.size;
    let end = min(begin + splits.size, splits.end);
    let quads = params.head_quads;
    let cache = (row.y * params.kv_heads + kv_head) * params.capacity;
    if (end == splits.end) {
        // The last split brings its own position into the cache. Where several groups share a KV head, each writes the same.
        let to = (cache + row.z) * quads;
        let first = kv_head * quads;
        for (var i = local; i < quads; i += WORKGROUP) {
            let turn = turn_of(row.z, i);
            let key = k[params.k_offset + first + i] * turn.cos + k[params.k_offset + first + turn.partner] * turn.sin;
            k_cache[to + i] = kv_pack(key);
            v_cache[to + i] = kv_pack(v[params.v_offset + first + i]);
        }
    }
    for (var j = local; j < HEADS * quads; j += WORKGROUP) {
        let i = j % quads;
        // Heads past the end repeat the last one, and what they give is not stored.
        let head = params.q_offset + (first_head + min(j / quads, n_heads - 1u)) * quads;
        let turn = turn_of(row.z, i);
        query[j] = (q[head + i] * turn.cos + q[head + turn.partner] * turn.sin) * params.scale;
    }
    storageBarrier();
    workgroupBarrier();

    var maximum: array<f32, HEADS>;
    var sum: array<f32, HEADS>;
    var out: array<vec4<f32>, HEADS>;
    for (var g = 0u; g < HEADS; g++) {
        maximum[g] = LOWEST;
    }
    let slices = WORKGROUP / quads;
    let slice = local / quads;
    let column = local % quads;
    for (var tile = begin; tile < end; tile += WORKGROUP) {
        var s = array<f32, HEADS>();
        let inside = tile + local < end;
        let key = (cache + min(tile + local, end - 1u)) * quads;
        for (var i = 0u; i < quads; i++) {
            let value = kv_unpack(k_cache[key + i]);
            for (var g = 0u; g < HEADS; g++) {
                s[g] += dot(value, query[g * quads + i]);
            }
        }
        for (var g = 0u; g < HEADS; g++) {
            s[g] = select(LOWEST, s[g], inside);
            score[g * WORKGROUP + local] = s[g];
        }
        workgroupBarrier();
        var most = LOWEST;
        let of_head = local / LANES * WORKGROUP + local % LANES * HEADS;
        for (var i = 0u; i < HEADS; i++) {
            most = max(most, score[of_head + i]);
        }
        maxima[local] = most;
        workgroupBarrier();
        for (var g = 0u; g < HEADS; g++) {
            var m = maximum[g];
            for (var i = 0u; i < LANES; i++) {
                m = max(m, maxima[g * LANES + i]);
            }
            let keep = exp(maximum[g] - m);
            let p = exp(s[g] - m);
            maximum[g] = m;
            sum[g] = sum[g] * keep + p;
            out[g] *= keep;
            score[g * WORKGROUP + local] = p;
        }
        workgroupBarrier();
        if (slice < slices) {
            let n = min(WORKGROUP, end - tile);
            for (var i = slice; i < n; i += slices) {
                let value = kv_unpack(v_cache[(cache + tile + i) * quads + column]);
                for (var g = 0u; g < HEADS; g++) {
                    out[g] += value * score[g * WORKGROUP + i];
                }
            }
        }
        workgroupBarrier();
    }

    for (var g = 0u; g < HEADS; g++) {
        score[g * WORKGROUP + local] = sum[g];
    }
    let width = quads + 1u;
    for (var g = 0u; g < n_heads; g++) {
        gathered[local] = out[g];
        workgroupBarrier();
        let to = ((first_head + g) * params.max_splits + group.x) * width;
        if (local < quads) {
            var total = gathered[local];
            for (var i = 1u; i < slices; i++) {
                total += gathered[i * quads + local];
            }
            partials[to + local] = total;
        }
        if (local == 0u) {
            var total = 0.0;
            for (var i = 0u; i < WORKGROUP; i++) {
                total += score[g * WORKGROUP + i];
            }
            partials[to + quads] = vec4<f32>(maximum[g], total, 0.0, 0.0);
        }
        workgroupBarrier();
    }
}
