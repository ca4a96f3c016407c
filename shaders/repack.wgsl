// Stored bytes of a slice of one matrix → the layout that kernels read. One invocation a unit: a stored block of a
// quantised format, or the floats that share a destination word. See src/gpu/upload.rs.
#import FORMAT

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
    // Destination row of stored row 0, and the rows [part_first, part_end) that this buffer holds.
    row_offset: u32,
    part_first: u32,
    part_end: u32,
    // Rows of a rotary head whose halves are interleaved in the file, or 0 (format/mod.rs RowMap).
    rope_head_dim: u32,
    n_units: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> staging: array<u32>;
@group(0) @binding(2) var<storage, read_write> quants: array<u32>;
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;

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

// Stored row → Hugging Face's row.
fn mapped_row(row: u32) -> u32 {
    let d = params.rope_head_dim;
    if (d == 0u) {
        return row;
    }
    let head = row / d;
    let r = row - head * d;
    return head * d + (r & 1u) * (d / 2u) + (r >> 1u);
}

// Where sub-block `block` of destination row `row` is, in sub-blocks (lib/quads.wgsl).
fn dst_block(row: u32, block: u32) -> u32 {
    return ((row >> 2u) * params.row_blocks + block) * 4u + (row & 3u);
}

// Word `k` of the `n_words` that stored block `unit` of a row has in `scales`, where words of four rows stand together.
fn scale_word(dst_row: u32, unit: u32, n_words: u32, k: u32) -> u32 {
    return (((dst_row >> 2u) * params.row_units + unit) * n_words + k) * 4u + (dst_row & 3u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let t = (group.y * 32768u + group.x) * 64u + lane;
    if (t >= params.n_units) {
        return;
    }
    let row = params.first_row + t / params.row_units;
    let unit = t % params.row_units;
    let dst_row = params.row_offset + mapped_row(row);
    if (dst_row < params.part_first || dst_row >= params.part_end) {
        return;
    }
    repack(row, unit, dst_row - params.part_first);
}
