// softmax(q · kᵀ · scale) · v over the cache for one row, causal by position; a workgroup a query head.
// Positions go by in tiles: each invocation scores one position, then each owns four output values and takes the whole
// tile; maximum and sum are carried from tile to tile (Milakov & Gimelshein 2018; Dao et al. 2022, alg. 1).
// Reference: src/ops/attention.rs.
#import attention_io

override WORKGROUP: u32 = 64u;

// Heads of up to 4 · 64 = 256 values.
const MAX_QUADS: u32 = 64u;

var<workgroup> query: array<vec4<f32>, MAX_QUADS>;
var<workgroup> score: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let head = group.x;
    let row = step.rows[group.y];
    let kv_head = head / (params.heads / params.kv_heads);
    let cache = (row.y * params.kv_heads + kv_head) * params.capacity * params.head_quads;
    let end = row.z + 1u;
    let begin = first_position(row.z);
    for (var quad = local; quad < params.head_quads; quad += WORKGROUP) {
        query[quad] = load_q(group.y, head, quad);
    }
    workgroupBarrier();

    var maximum = LOWEST;
    var sum = 0.0;
    // With WORKGROUP ≥ MAX_QUADS an invocation owns at most one quad of the output.
    var out = vec4<f32>(0.0);
    for (var tile = begin; tile < end; tile += WORKGROUP) {
        let position = tile + local;
        var s = LOWEST;
        if (position < end) {
            let k = cache + position * params.head_quads;
            var products = vec4<f32>(0.0);
            for (var i = 0u; i < params.head_quads; i++) {
                products += kv_unpack(k_cache[k + i]) * query[i];
            }
            s = (products.x + products.y) + (products.z + products.w);
        }
        score[local] = s;
        workgroupBarrier();
        if (local < params.head_quads) {
            let n = min(WORKGROUP, end - tile);
            var tile_maximum = maximum;
            for (var i = 0u; i < n; i++) {
                tile_maximum = max(tile_maximum, score[i]);
            }
            let keep = exp(maximum - tile_maximum);
            maximum = tile_maximum;
            sum *= keep;
            out *= keep;
            for (var i = 0u; i < n; i++) {
                let p = exp(score[i] - maximum);
                sum += p;
                out += kv_unpack(v_cache[cache + (tile + i) * params.head_quads + local]) * p;
            }
        }
        workgroupBarrier();
    }
    if (local < params.head_quads) {
        store_y(group.y, head, local, out / sum);
    }
}
