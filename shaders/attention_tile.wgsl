// softmax(q · kᵀ · scale) · v over the cache, causal by position or over all of a text: on GPUs for steps of several rows (prefill), and wherever
// the kernels for one row or for CPU adapters do not take a model. A workgroup takes a tile of queries, which are the step's
// rows by the query heads of one KV head, and loads keys and values once for all of them. Positions go by in tiles: keys
// into workgroup memory, scores, weights; values into the same memory, products; maximum and sum are carried from tile to
// tile (Dao 2023, alg. 1). Tiles shrink as heads grow, so that they fill 15 KiB:
//
//     head_dim   queries   positions   invocations that share a score
//      1 –  64        32          16     1
//     … – 128         16           8     4
//     … – 256          8           4    16
//
// Reference: src/ops/attention.rs.
#import step
#import KV
#import window
#import SCORE

struct Params {
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    head_quads: u32,
    capacity: u32,
    // Positions a row looks back, itself included; 0 for all, and ALL for what comes after as well.
    window: u32,
    // Strides and offsets in floats.
    q_stride: u32,
    q_offset: u32,
    y_stride: u32,
    scale: f32,
    // See score/adjusted.wgsl.
    soft_cap: f32,
    alibi: f32,
    // See score/biased.wgsl.
    reach: u32,
    // The tile that this dispatch begins with: long ones are cut.
    first_tile: u32,
    // Whether heads have a sink.
    has_sinks: u32,
    // See score/adjusted.wgsl.
    alibi_bf16: u32,
}

// Finite, so that no difference of infinities can arise.
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> step: Step;
@group(0) @binding(2) var<storage, read> q: array<f32>;           // [tokens, heads, head_dim]
@group(0) @binding(3) var<storage, read> k_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(4) var<storage, read> v_cache: array<KvQuad>;  // [slot, kv_heads, capacity, head_quads]
@group(0) @binding(5) var<storage, read> sinks: array<f32>;       // [heads]
@group(0) @binding(6) var<storage, read_write> y: array<f32>;     // [tokens, heads, head_dim]

// vec4s of a head: 16, 32 or 64, of which head_quads are used.
override QUADS: u32 = 16u;

const WORKGROUP: u32 = 64u;

// Rows of vec4s are one vec4 longer than QUADS, so that invocations that read one below the other meet different banks.
var<workgroup> queries: array<vec4<f32>, 544>;  // [512 / QUADS, QUADS + 1]
var<workgroup> tile: array<vec4<f32>, 272>;     // [256 / QUADS, QUADS + 1], of keys, then of values
// Scores, then weights, then sums. A quartet is four queries: i, i + n_quartets, i + 2 n_quartets, i + 3 n_quartets.
var<workgroup> scores: array<vec4<f32>, 128>;   // [parts of a score, positions, quartets]
// What the sums so far are multiplied by.
var<workgroup> keep: array<vec4<f32>, 8>;       // [quartets]

fn tile_stride() -> u32 {
    return QUADS + 1u;
}

// Quartets of queries and positions of a tile.
fn n_quartets() -> u32 {
    return 128u / QUADS;
}

fn n_positions() -> u32 {
    return 256u / QUADS;
}

// Consecutive rows of one slot, and the positions that any of them looks at.
struct Run {
    slot: u32,
    first_row: u32,
    end_row: u32,
    begin: u32,
    end: u32,
}

fn run_from(first_row: u32, end_row: u32) -> Run {
    var run = Run(step.rows[first_row].y, first_row, first_row, params.capacity, 0u);
    while (run.end_row < end_row && step.rows[run.end_row].y == run.slot) {
        let position = step.rows[run.end_row].z;
        run.begin = min(run.begin, first_position(position));
        run.end = max(run.end, end_position(position, step.source_length));
        run.end_row++;
    }
    return run;
}

// Where entry `entry` of a tile of keys or values is in the cache: positions past the last repeat it, and weigh nothing.
fn cache_index(entry: u32, base: u32, first: u32, end: u32) -> u32 {
    return base + min(first + entry / QUADS, end - 1u) * params.head_quads + entry % QUADS;
}

fn load_keys(local: u32, base: u32, first: u32, end: u32) {
    for (var i = local; i < 256u; i += WORKGROUP) {
        if (i % QUADS < params.head_quads) {
            tile[i / QUADS * tile_stride() + i % QUADS] = kv_unpack(k_cache[cache_index(i, base, first, end)]);
        }
    }
}

fn load_values(local: u32, base: u32, first: u32, end: u32) {
    for (var i = local; i < 256u; i += WORKGROUP) {
        if (i % QUADS < params.head_quads) {
            tile[i / QUADS * tile_stride() + i % QUADS] = kv_unpack(v_cache[cache_index(i, base, first, end)]);
        }
    }
}

// Scores of four queries at two positions; where heads are large, a part of them: every `parts`th vec4.
fn write_scores(local: u32) {
    let pairs = n_positions() / 2u;
    let quartet = local % n_quartets();
    let position = local / n_quartets() % pairs;
    let part = local / (n_quartets() * pairs);
    let parts = WORKGROUP / (n_quartets() * pairs);
    let query_step = n_quartets() * tile_stride();
    let q0 = quartet * tile_stride();
    let k0 = position * tile_stride();
    let k1 = (position + pairs) * tile_stride();
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    for (var d = part; d < params.head_quads; d += parts) {
        let i = q0 + d;
        // A row vector times a matrix is its dot products with the columns.
        let four_queries = mat4x4<f32>(
            queries[i], queries[i + query_step], queries[i + 2u * query_step], queries[i + 3u * query_step],
        );
        s0 += tile[k0 + d] * four_queries;
        s1 += tile[k1 + d] * four_queries;
    }
    let to = part * n_positions() * n_quartets() + quartet;
    scores[to + position * n_quartets()] = s0;
    scores[to + (position + pairs) * n_quartets()] = s1;
}

// Which positions the queries of a quartet look at, [begin, end): none for those of another run; and where they stand.
struct Views {
    begin: vec4<u32>,
    end: vec4<u32>,
    at: vec4<u32>,
}

// A quartet's scores at a position of the tile, LOWEST for queries that do not look there.
fn score_at(quartet: u32, i: u32, of_heads: vec4<f32>, position: vec4<u32>, views: Views) -> vec4<f32> {
    var s = vec4<f32>(0.0);
    for (var at = i * n_quartets() + quartet; at < 128u; at += n_positions() * n_quartets()) {
        s += scores[at];
    }
    let inside = (position >= views.begin) & (position < views.end);
    return select(vec4<f32>(LOWEST), adjusted(s, of_heads, position, views.at), inside);
}

// Query `query` of a KV head is a row by a query head.
fn row_of(query: u32) -> u32 {
    return query / (params.heads / params.kv_heads);
}

fn head_of(query: u32, kv_head: u32) -> u32 {
    let heads = params.heads / params.kv_heads;
    return kv_head * heads + query % heads;
}

// Four values of a query, scaled; zeros past head_dim.
fn load_query(query: u32, kv_head: u32, quad: u32) -> vec4<f32> {
    let d = quad * 4u;
    // Past the last row that one again: what its copies give is not stored.
    let row = min(row_of(query), step.n_rows - 1u);
    let i = params.q_offset + row * params.q_stride + head_of(query, kv_head) * params.head_dim + d;
    let inside = vec4<u32>(d) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.head_dim);
    return select(vec4<f32>(0.0), vec4<f32>(q[i], q[i + 1u], q[i + 2u], q[i + 3u]), inside) * params.scale;
}

fn store_query(query: u32, kv_head: u32, quad: u32, value: vec4<f32>) {
    if (row_of(query) >= step.n_rows) {
        return;
    }
    let to = row_of(query) * params.y_stride + head_of(query, kv_head) * params.head_dim;
    for (var i = 0u; i < 4u; i++) {
        if (quad * 4u + i < params.head_dim) {
            y[to + quad * 4u + i] = value[i];
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let kv_head = group.x;
    let n_queries = 4u * n_quartets();
    let first_query = (params.first_tile + group.y) * n_queries;
    let end_row = min(row_of(first_query + n_queries - 1u) + 1u, step.n_rows);
    for (var i = local; i < 512u; i += WORKGROUP) {
        if (i % QUADS < params.head_quads) {
            let to = i / QUADS * tile_stride() + i % QUADS;
            queries[to] = load_query(first_query + i / QUADS, kv_head, i % QUADS);
        }
    }

    // For scores and weights an invocation works for one quartet; of the positions of a tile it weighs `lane` and
    // `lane + lanes`. Every invocation of a quartet knows its maximum; of its sum each has what it weighed itself.
    let quartet = local % n_quartets();
    let lane = local / n_quartets();
    let lanes = WORKGROUP / n_quartets();
    let components = vec4<u32>(0u, 1u, 2u, 3u);
    let query = first_query + quartet + components * n_quartets();
    let heads = params.heads / params.kv_heads;
    let row = query / heads;
    let head = vec4<u32>(kv_head * heads) + query % heads;
    let of_heads = adjustment_of(head);
    var maximum = vec4<f32>(LOWEST);
    var sum = vec4<f32>(0.0);
    // For products it works for two quartets, a and b, and one vec4 of the head.
    let column = local % QUADS;
    let a = local / QUADS * 2u;
    let b = a + 1u;
    var a0 = vec4<f32>(0.0);
    var a1 = vec4<f32>(0.0);
    var a2 = vec4<f32>(0.0);
    var a3 = vec4<f32>(0.0);
    var b0 = vec4<f32>(0.0);
    var b1 = vec4<f32>(0.0);
    var b2 = vec4<f32>(0.0);
    var b3 = vec4<f32>(0.0);

    for (var next_row = row_of(first_query); next_row < end_row;) {
        let run = run_from(next_row, end_row);
        next_row = run.end_row;
        let base = (run.slot * params.kv_heads + kv_head) * params.capacity * params.head_quads;
        var views = Views(vec4<u32>(0u), vec4<u32>(0u), vec4<u32>(0u));
        for (var i = 0u; i < 4u; i++) {
            if (row[i] >= run.first_row && row[i] < run.end_row) {
                let at = step.rows[row[i]].z;
                views.begin[i] = first_position(at);
                views.end[i] = end_position(at, step.source_length);
                views.at[i] = at;
            }
        }
        for (var first = run.begin; first < run.end; first += n_positions()) {
            load_keys(local, base, first, run.end);
            workgroupBarrier();
            write_scores(local);
            workgroupBarrier();

            load_values(local, base, first, run.end);
            let before = maximum;
            var weight0 = vec4<f32>(LOWEST);
            var weight1 = vec4<f32>(LOWEST);
            for (var i = 0u; i < n_positions(); i++) {
                let position = vec4<u32>(first + i);
                let s = score_at(quartet, i, of_heads, position, views);
                maximum = max(maximum, s);
                weight0 = select(weight0, s, i == lane);
                weight1 = select(weight1, s, i == lane + lanes);
            }
            // Where a query does not look its weight is 0; but 1 while it has looked nowhere yet, and then the first real score
            // brings a factor of 0, which takes back what that adds.
            weight0 = exp(weight0 - maximum);
            weight1 = exp(weight1 - maximum);
            let factor = exp(before - maximum);
            sum = sum * factor + weight0 + weight1;
            workgroupBarrier();

            if (lane < n_positions()) {
                scores[lane * n_quartets() + quartet] = weight0;
            }
            if (lane + lanes < n_positions()) {
                scores[(lane + lanes) * n_quartets() + quartet] = weight1;
            }
            if (lane == 0u) {
                keep[quartet] = factor;
            }
            workgroupBarrier();

            let keep_a = keep[a];
            let keep_b = keep[b];
            a0 *= keep_a.x;
            a1 *= keep_a.y;
            a2 *= keep_a.z;
            a3 *= keep_a.w;
            b0 *= keep_b.x;
            b1 *= keep_b.y;
            b2 *= keep_b.z;
            b3 *= keep_b.w;
            for (var i = 0u; i < n_positions(); i++) {
                let value = tile[i * tile_stride() + column];
                let weight_a = scores[i * n_quartets() + a];
                let weight_b = scores[i * n_quartets() + b];
                a0 += value * weight_a.x;
                a1 += value * weight_a.y;
                a2 += value * weight_a.z;
                a3 += value * weight_a.w;
                b0 += value * weight_b.x;
                b1 += value * weight_b.y;
                b2 += value * weight_b.z;
                b3 += value * weight_b.w;
            }
            workgroupBarrier();
        }
    }

    if (params.has_sinks != 0u && lane == 0u) {
        sum += exp(vec4<f32>(sinks[head.x], sinks[head.y], sinks[head.z], sinks[head.w]) - maximum);
    }
    scores[local] = sum;
    workgroupBarrier();
    var sum_a = vec4<f32>(0.0);
    var sum_b = vec4<f32>(0.0);
    for (var i = 0u; i < lanes; i++) {
        sum_a += scores[i * n_quartets() + a];
        sum_b += scores[i * n_quartets() + b];
    }
    let query_a = first_query + a;
    let query_b = first_query + b;
    store_query(query_a, kv_head, column, a0 / sum_a.x);
    store_query(query_a + n_quartets(), kv_head, column, a1 / sum_a.y);
    store_query(query_a + 2u * n_quartets(), kv_head, column, a2 / sum_a.z);
    store_query(query_a + 3u * n_quartets(), kv_head, column, a3 / sum_a.w);
    store_query(query_b, kv_head, column, b0 / sum_b.x);
    store_query(query_b + n_quartets(), kv_head, column, b1 / sum_b.y);
    store_query(query_b + 2u * n_quartets(), kv_head, column, b2 / sum_b.z);
    store_query(query_b + 3u * n_quartets(), kv_head, column, b3 / sum_b.w);
}
