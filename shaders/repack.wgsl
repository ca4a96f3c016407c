// Stored bytes of a slice of one matrix → the layout that kernels read. One invocation a unit: a stored block of a
// quantised format, or the floats that share a destination word. See src/gpu/upload.rs.
#import FORMAT
#import stored_floats

struct Params {
    // Byte offset of the slice's first stored byte in `staging`.
    src_byte: u32,
    // The slice, in stored elements (quantised: blocks) of the whole matrix: [first, end).
    first: u32,
    end: u32,
    // Elements (quantised: blocks) in one stored row.
    row_elements: u32,
    // The first stored row that the slice touches, and units in one row.
    first_row: u32,
    row_units: u32,
    // Sub-blocks of one destination row.
    row_blocks: u32,
    // Destination row of the first row taken, and the rows [part_first, part_end) that this buffer holds.
    row_offset: u32,
    part_first: u32,
    part_end: u32,
    // Rows of a rotary head whose pairs stand side by side in the file, or 0 (src/gpu/upload.rs, RowTake).
    rope_head_dim: u32,
    n_units: u32,
    // The first rows of a head, which do so.
    rotary_dim: u32,
    // Of every take_period stored rows, take_each are taken, from take_first on.
    take_first: u32,
    take_each: u32,
    take_period: u32,
    // Not 0 where stored rows are columns of the matrix, and how those are stored: 0 f32, 1 f16, 2 bf16.
    by_columns: u32,
    stored: u32,
    // Quads whose sub-blocks stand side by side (lib/quads).
    together: u32,
    // Where the floats of a stored block are, and their exponents (lib/stored_floats); what `fault` becomes if one is no number.
    float_at: u32,
    exponent_0: u32,
    exponent_1: u32,
    fault: u32,
    pad0: u32,
}

const NOWHERE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> staging: array<u32>;
@group(0) @binding(2) var<storage, read_write> quants: array<u32>;
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;
@group(0) @binding(4) var<storage, read_write> fault: atomic<u32>;

// a / b, where a is below 2²⁴ and the quotient below 2²¹: a quotient of f32 is at most 2.5 units in the last place off (WGSL allows that),
// so that what is cut off it is one too many or too few at most. CPU adapters divide integers one after the other.
fn quotient(a: u32, b: u32) -> u32 {
    let q = i32(f32(i32(a)) / f32(i32(b)));
    let rest = i32(a) - q * i32(b);
    return u32(q + select(select(0, 1, rest >= i32(b)), -1, rest < 0));
}

fn stored_u8(byte: u32) -> u32 {
    return (staging[byte >> 2u] >> ((byte & 3u) * 8u)) & 0xffu;
}

fn stored_u16(byte: u32) -> u32 {
    return stored_u8(byte) | (stored_u8(byte + 1u) << 8u);
}

fn stored_u32(byte: u32) -> u32 {
    let shift = (byte & 3u) * 8u;
    let low = staging[byte >> 2u] >> shift;
    if (shift == 0u) {
        return low;
    }
    return low | (staging[(byte >> 2u) + 1u] << (32u - shift));
}

// 16 bytes, from any byte on, as words: each word that they stand in is loaded once.
fn stored_words(byte: u32) -> vec4<u32> {
    let i = byte >> 2u;
    let at = byte & 3u;
    let words = vec4<u32>(staging[i], staging[i + 1u], staging[i + 2u], staging[i + 3u]);
    let next = vec4<u32>(words.yzw, staging[i + 4u]);
    // The next word's part by a product, 2 to the power 32 − 8 at, or 0: CPU adapters shift lanes one after the other.
    let factor = select(select(0u, 0x1000000u, at == 1u), select(0x10000u, 0x100u, at == 3u), at > 1u);
    return (words >> vec4<u32>(at * 8u)) | (next * factor);
}

// Stored row → row of the matrix, or NOWHERE.
fn mapped_row(row: u32) -> u32 {
    let period = quotient(row, params.take_period);
    let inside = row - period * params.take_period;
    if (inside < params.take_first || inside - params.take_first >= params.take_each) {
        return NOWHERE;
    }
    let taken = period * params.take_each + inside - params.take_first;
    let d = params.rope_head_dim;
    if (d == 0u) {
        return taken;
    }
    let r = taken - quotient(taken, d) * d;
    if (r >= params.rotary_dim) {
        return taken;
    }
    return taken - r + (r & 1u) * (params.rotary_dim / 2u) + (r >> 1u);
}

// Where sub-block `block` of destination row `row` is, in sub-blocks (lib/quads.wgsl).
fn dst_block(row: u32, block: u32) -> u32 {
    return dst_entry(row >> 2u, params.row_blocks, block) * 4u + (row & 3u);
}

// Where entry `i` of a quad's `n` is.
fn dst_entry(quad: u32, n: u32, i: u32) -> u32 {
    // together is a power of two.
    let beside = quad & (params.together - 1u);
    return (quad - beside) * n + beside + i * params.together;
}

// Word `k` of the `n_words` that stored block `unit` of a row has in `scales`, where words of four rows stand together.
fn scale_word(dst_row: u32, unit: u32, n_words: u32, k: u32) -> u32 {
    return (dst_entry(dst_row >> 2u, params.row_units, unit) * n_words + k) * 4u + (dst_row & 3u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = (group.y * 32768u + group.x) * 64u + lane;
    if (t >= params.n_units) {
        return;
    }
    let down = quotient(t, params.row_units);
    let row = params.first_row + down;
    let unit = t - down * params.row_units;
    let mapped = mapped_row(select(row, unit, params.by_columns != 0u));
    let dst_row = params.row_offset + mapped;
    if (mapped == NOWHERE || dst_row < params.part_first || dst_row >= params.part_end) {
        return;
    }
    repack(row, unit, dst_row - params.part_first);
}
