// Writes k and v of this step's rows into the cache [slot, kv_head, position, head_dim]; one invocation four values.
// Values past head_dim are written as zeros: the cache pads heads to whole vec4s. Reference: src/ops/kv_write.rs.
#import step
#import KV

struct Params {
    kv_heads: u32,
    head_dim: u32,
    // vec4s of one padded head.
    head_quads: u32,
    // Positions the cache has room for.
    capacity: u32,
    // Strides and offsets in floats.
    k_stride: u32,
    k_offset: u32,
    v_stride: u32,
    v_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> k: array<f32>;                 // [tokens, kv_heads, head_dim]
@group(0) @binding(3) var<storage, read> v: array<f32>;                 // [tokens, kv_heads, head_dim]
@group(0) @binding(4) var<storage, read_write> k_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(5) var<storage, read_write> v_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= params.kv_heads * params.head_quads) {
        return;
    }
    let head = id.x / params.head_quads;
    let quad = id.x % params.head_quads;
    let row = step.rows[id.y];
    let to = ((row.y * params.kv_heads + head) * params.capacity + row.z) * params.head_quads + quad;
    let d = quad * 4u;
    let ki = params.k_offset + id.y * params.k_stride + head * params.head_dim + d;
    let vi = params.v_offset + id.y * params.v_stride + head * params.head_dim + d;
    let inside = vec4<u32>(d) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.head_dim);
    let key = vec4<f32>(k[ki], k[ki + 1u], k[ki + 2u], k[ki + 3u]);
    let value = vec4<f32>(v[vi], v[vi + 1u], v[vi + 2u], v[vi + 3u]);
    k_cache[to] = kv_pack(select(vec4<f32>(0.0), key, inside));
    v_cache[to] = kv_pack(select(vec4<f32>(0.0), value, inside));
}
