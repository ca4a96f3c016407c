//! Stored bytes → the layout that kernels read, on the CPU, where that is the adapter too: kernels load and store lane by lane
//! there, and take ten times as long as this does. For formats of 32 weights a block, one scale or a scale and a minimum each.

use std::cell::RefCell;
use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::buffer::GpuBuffer;
use super::device::Gpu;
use super::upload::{GpuMatrix, MatrixPart, Slice};
use crate::quant::Format;

/// A block as it is stored.
trait Block: Pod {
    /// What kernels read of it at once: an array of words.
    type Words: Pod;

    /// Its scale and its minimum, or its scale and zero: halves, the first one low.
    fn halves(&self) -> u32;

    /// Its word among the scales.
    fn scale(&self) -> u32 {
        // As an f32: kernels have nothing to decode, and the word is there.
        half::f16::from_bits(self.halves() as u16).to_f32().to_bits()
    }

    /// Its words.
    fn words(&self) -> Self::Words;
}

/// See `src/quant/q4_0.rs`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Q4_0 {
    d: [u8; 2],
    nibbles: [[u8; 8]; 2],
}

/// See `src/quant/q4_1.rs`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Q4_1 {
    d_and_m: [u8; 4],
    nibbles: [[u8; 8]; 2],
}

/// See `src/quant/q8_0.rs`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Q8_0 {
    d: [u8; 2],
    q: [[u8; 4]; 8],
}

impl Block for Q4_0 {
    type Words = [u32; 4];

    fn halves(&self) -> u32 {
        u16::from_le_bytes(self.d).into()
    }

    fn words(&self) -> [u32; 4] {
        joined(self.nibbles)
    }
}

impl Block for Q4_1 {
    type Words = [u32; 4];

    fn halves(&self) -> u32 {
        u32::from_le_bytes(self.d_and_m)
    }

    fn scale(&self) -> u32 {
        self.halves()
    }

    fn words(&self) -> [u32; 4] {
        joined(self.nibbles)
    }
}

impl Block for Q8_0 {
    type Words = [u32; 8];

    fn halves(&self) -> u32 {
        u16::from_le_bytes(self.d).into()
    }

    fn words(&self) -> [u32; 8] {
        // `shaders/quant/q8_0.wgsl`: the lower three bytes of a word are q + 128.
        self.q.map(|four| u32::from_le_bytes(four) ^ 0x0080_8080)
    }
}

/// ggml's 4-bit order (byte i: weight i low, weight i + 16 high) → ours (`shaders/lib/nibbles.wgsl`).
fn joined(bytes: [[u8; 8]; 2]) -> [u32; 4] {
    let [a, b] = bytes.map(u64::from_le_bytes);
    [a, b, a >> 4, b >> 4].map(|low| {
        let nibbles = low & 0x0f0f_0f0f_0f0f_0f0f;
        let pairs = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
        (fours | fours >> 16) as u32 ^ 0x8000_0000
    })
}

/// Blocks of one row → every `step`-th entry of `quants` and `scales`, from `first` on. Whether all their floats are numbers.
pub(super) type RepackRow =
    fn(stored: &[u8], quants: &mut [u32], scales: &mut [u32], first: usize, step: usize) -> bool;

fn repack_row<T: Block>(stored: &[u8], quants: &mut [u32], scales: &mut [u32], first: usize, step: usize) -> bool {
    let quants: &mut [T::Words] = bytemuck::cast_slice_mut(quants);
    let (mut at, mut finite) = (first, true);
    for block in bytemuck::cast_slice::<u8, T>(stored) {
        quants[at] = block.words();
        scales[at] = block.scale();
        at += step;
        let halves = block.halves();
        finite &= halves & 0x7c00 != 0x7c00 && halves & 0x7c00_0000 != 0x7c00_0000;
    }
    finite
}

/// How rows are repacked on the CPU; `None` where a kernel does it.
pub(super) fn cpu_repack(gpu: &Gpu, stored: Format) -> Option<RepackRow> {
    match stored {
        _ if !gpu.capabilities().is_fallback => None,
        Format::Q4_0 => Some(repack_row::<Q4_0>),
        Format::Q4_1 => Some(repack_row::<Q4_1>),
        Format::Q8_0 => Some(repack_row::<Q8_0>),
        _ => None,
    }
}

/// Groups of rows whose sub-blocks stand side by side, from the first on of which rows are still to come. Those that were whole when
/// all before them were are gone; if the window is widened over them, they are empty again.
struct Window {
    /// The part's quants, by which the window is found.
    part: Rc<GpuBuffer>,
    low: usize,
    /// Blocks of each group that are still to come.
    missing: Vec<u32>,
    quants: Vec<u32>,
    scales: Vec<u32>,
}

/// Repacks slices, and keeps what the next one of the same groups must not overwrite.
#[derive(Default)]
pub(super) struct CpuRepack {
    windows: RefCell<Vec<Window>>,
}

impl CpuRepack {
    /// Writes a slice, whose blocks are `bytes`, to a part of its matrix. Whether all floats of those blocks are numbers.
    pub(super) fn upload(
        &self,
        gpu: &Gpu,
        bytes: &[u8],
        (matrix, part): (&GpuMatrix, &MatrixPart),
        slice: &Slice,
        repack: RepackRow,
    ) -> bool {
        let spec = slice.stored.spec();
        let (block_bytes, n_words) = (spec.block_bytes as usize, spec.quant_words as usize / 8);
        let row_blocks = matrix.format.sub_blocks(u64::from(matrix.cols)) as usize;
        let group_rows = 4 * matrix.together as usize;
        let group_blocks = group_rows * row_blocks;
        let (first, end) = (slice.first as usize, slice.end as usize);
        // The rows of this part that the slice has, and where they go.
        let rows = (first / row_blocks..=(end - 1) / row_blocks).filter_map(|row| {
            let to = slice.row_offset as usize + slice.take.place_of(row)?;
            let to = to.checked_sub(part.first_row as usize)?;
            (to < part.rows as usize).then_some((row, to))
        });
        let (low, high) = rows.clone().fold((usize::MAX, 0), |(low, high), (_, to)| {
            let group = to / group_rows;
            (low.min(group), high.max(group + 1))
        });
        if low >= high {
            return true;
        }

        let mut windows = self.windows.borrow_mut();
        let found = windows.iter().position(|window| Rc::ptr_eq(&window.part, &part.quants));
        let i = found.unwrap_or(windows.len());
        if found.is_none() {
            let part = Rc::clone(&part.quants);
            windows.push(Window { part, low, missing: Vec::new(), quants: Vec::new(), scales: Vec::new() });
        }
        let window = &mut windows[i];
        if window.missing.is_empty() {
            window.low = low;
        }
        let before = window.low.saturating_sub(low);
        window.low -= before;
        let groups = high.saturating_sub(window.low).max(before + window.missing.len());
        widen(&mut window.missing, before, groups, group_blocks as u32);
        widen(&mut window.quants, before * group_blocks * n_words, groups * group_blocks * n_words, 0);
        widen(&mut window.scales, before * group_blocks, groups * group_blocks, 0);

        let mut finite = true;
        for (row, to) in rows {
            let start = row * row_blocks;
            let blocks = start.max(first)..(start + row_blocks).min(end);
            let group = to / group_rows - window.low;
            window.missing[group] -= blocks.len() as u32;
            let entry = group * group_blocks + (blocks.start - start) * group_rows + to % group_rows;
            let stored = &bytes[(blocks.start - first) * block_bytes..(blocks.end - first) * block_bytes];
            finite &= repack(stored, &mut window.quants, &mut window.scales, entry, group_rows);
        }

        // A group that no row has come to is left alone: it may have been whole, and be gone from the window.
        let mut i = 0;
        for run in window.missing.chunk_by(|a, b| (*a < group_blocks as u32) == (*b < group_blocks as u32)) {
            let groups = i.max(low - window.low)..(i + run.len()).min(high - window.low);
            i += run.len();
            if run[0] < group_blocks as u32 && groups.start < groups.end {
                let to = ((window.low + groups.start) * group_blocks * 4) as u64;
                let entries = groups.start * group_blocks..groups.end * group_blocks;
                let words = &window.quants[entries.start * n_words..entries.end * n_words];
                gpu.write(&part.quants, to * n_words as u64, bytemuck::cast_slice(words));
                gpu.write(&part.scales, to, bytemuck::cast_slice(&window.scales[entries]));
            }
        }
        let whole = window.missing.iter().take_while(|missing| **missing == 0).count();
        window.low += whole;
        window.missing = window.missing.split_off(whole);
        window.quants = window.quants.split_off(whole * group_blocks * n_words);
        window.scales = window.scales.split_off(whole * group_blocks);
        finite
    }
}

/// Puts `before` times `value` before what is there, and more behind it, up to `len`.
fn widen(words: &mut Vec<u32>, before: usize, len: usize, value: u32) {
    let mut wide = vec![value; before];
    wide.append(words);
    wide.resize(len, value);
    *words = wide;
}
