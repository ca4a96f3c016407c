// softmax(q · kᵀ · scale) · v over the cache, causal by position; a workgroup a query head of a row.
// Positions go by in tiles: each invocation scores one position, then each owns four output values and takes the whole
// tile; maximum and sum are carried from tile to tile (Milakov & Gimelshein 2018; Dao et al. 2022, alg. 1).
// Reference: src/ops/attention.rs.
#import step
#import KV

override WORKGROUP: u32 = 64u;

struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    head_quads: u32,
    capacity: u32,
    // Positions a row looks back, itself included; 0 for all.
    window: u32,
    // Strides and offsets in floats.
    q_stride: u32,
    q_offset: u32,
    y_stride: u32,
    scale: f32,
    pad0: u32,
    pad1: u32,
}

// Finite, so that no difference of infinities can arise.
const LOWEST: f32 = -1e30;
// Heads of up to 4 · 64 = 256 values.
const MAX_QUADS: u32 = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> q: array<f32>;           // [tokens, heads, head_dim]
@group(0) @binding(3) var<storage, read> k_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read> v_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;     // [tokens, heads, head_dim]

var<workgroup> query: array<vec4<f32>, MAX_QUADS>;
var<workgroup> score: array<f32, WORKGROUP>;

fn load_q(src: u32, quad: u32) -> vec4<f32> {
    let d = quad * 4u;
    let i = src + d;
    let inside = vec4<u32>(d) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.head_dim);
    return select(vec4<f32>(0.0), vec4<f32>(q[i], q[i + 1u], q[i + 2u], q[i + 3u]), inside) * params.scale;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let head = group.x;
    let row = step.rows[group.y];
    let kv_head = head / (params.heads / params.kv_heads);
    let cache = (row.y * params.kv_heads + kv_head) * params.capacity * params.head_quads;
    let end = row.z + 1u;
    let begin = select(0u, end - params.window, params.window != 0u && end > params.window);
    for (var quad = local; quad < params.head_quads; quad += WORKGROUP) {
        query[quad] = load_q(params.q_offset + group.y * params.q_stride + head * params.head_dim, quad);
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
        let to = group.y * params.y_stride + head * params.head_dim;
        let value = out / sum;
        for (var i = 0u; i < 4u; i++) {
            if (local * 4u + i < params.head_dim) {
                y[to + local * 4u + i] = value[i];
            }
        }
    }
}
