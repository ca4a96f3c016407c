//! Repacking where it is not plain: several tensors in one matrix, rotary heads whose halves are interleaved in the file.

use doran::gpu::device::GpuOptions;
use doran::gpu::upload::{GpuMatrix, RowTake, Slice, Uploader};
use doran::ops::StepRow;
use doran::ops::embedding::{Embedding, TableRow};
use doran::ops::{CpuMatrix, Rows};
use doran::quant::Format;
use doran::weights::VecBytes;

use super::harness::{Bench, Place, Random, Stored, assert_close, upload};

/// Rows of the first tensor: heads of six, one of which lies across row 32, where a part of a split matrix ends.
const FIRST_ROWS: usize = 42;
const HEAD_DIM: usize = 6;
/// Where the second tensor goes, and its rows, which also cross the end of a part.
const SECOND_AT: usize = 64;
const SECOND_ROWS: usize = 37;

/// Kernels repack every format there; on CPU adapters some are repacked on the CPU.
fn as_hardware() -> GpuOptions {
    GpuOptions { as_hardware: true, ..GpuOptions::default() }
}

/// Two tensors, the first with interleaved heads, in chunks that begin and end inside rows, at odd elements and at any byte.
/// Read back row by row through the embedding kernel.
pub async fn pieces_and_interleaved_heads() {
    let splits = GpuOptions { max_binding_bytes: Some(2048), ..GpuOptions::default() };
    for (options, parts) in [(GpuOptions::default(), 1), (splits, 4), (as_hardware(), 1)] {
        let bench = &Bench::with(options).await;
        for format in Format::ALL {
            let mut random = Random(format.block_bytes());
            let cols = 96usize.next_multiple_of(format.block_weights() as usize);
            let first = Stored::random(format, FIRST_ROWS, cols, &mut random);
            let second = Stored::random(format, SECOND_ROWS, cols, &mut random);
            let rows = (SECOND_AT + SECOND_ROWS) as u32;
            let matrix = GpuMatrix::new(&bench.gpu, "weight", format, rows, cols as u32, &bench.nothing);
            assert_eq!(matrix.parts.len(), parts, "{format:?}");
            let head_dim = HEAD_DIM as u32;
            let interleaved = RowTake { head_dim, rotary_dim: head_dim, ..RowTake::all(FIRST_ROWS as u32) };
            let first_place = Place { stored: &first, row_offset: 0, take: interleaved };
            let second_place =
                Place { stored: &second, row_offset: SECOND_AT as u32, take: RowTake::all(SECOND_ROWS as u32) };
            upload(bench, &matrix, &[first_place, second_place], if format.is_float() { 1001 } else { 41 });

            // Hugging Face's row j · 3 + i of a head is the stored row 2 i + j.
            let half = HEAD_DIM / 2;
            let mut wanted = Rows::zeros(FIRST_ROWS + SECOND_ROWS, cols);
            for row in 0..FIRST_ROWS {
                let (head, r) = (row / HEAD_DIM, row % HEAD_DIM);
                first.row(head * HEAD_DIM + 2 * (r % half) + r / half, wanted.row_mut(row));
            }
            for row in 0..SECOND_ROWS {
                second.row(row, wanted.row_mut(FIRST_ROWS + row));
            }
            let tokens = (0..FIRST_ROWS).chain(SECOND_AT..SECOND_AT + SECOND_ROWS);
            let rows: Vec<_> = tokens.map(|token| StepRow { token: token as u32, slot: 0, position: 0 }).collect();
            let step = bench.write_step(&rows, 1);
            let y = bench.room(rows.len(), cols);
            let op = Embedding { weight: 0, scale: 1.0, row: TableRow::Token };
            bench.run(op.lower(&bench.lowering(bench.variants()[0], 128), "y", &matrix, &y), &step);
            let label = format!("{format:?} in {parts} parts");
            assert_close(&label, &bench.read(&y, rows.len()).await, &wanted, 2e-7);
        }
    }
}

/// One tensor of groups of rows into three matrices, one of which wants the first rows of its heads in another order; and
/// tensors that are stored by columns.
pub async fn groups_and_columns() {
    let bench = Bench::new().await;
    let split = Bench::with(GpuOptions { max_binding_bytes: Some(2048), ..GpuOptions::default() }).await;
    let hardware = Bench::with(as_hardware()).await;
    // Three groups of 14 query rows (two heads of 7), 7 key rows and 7 value rows.
    let parts = [(0, 14, 7, 4), (14, 7, 7, 4), (21, 7, 0, 0)];
    for bench in [&bench, &split, &hardware] {
        for format in Format::ALL {
            let mut random = Random(format.block_bytes());
            let cols = 96usize.next_multiple_of(format.block_weights() as usize);
            let stored = Stored::random(format, 84, cols, &mut random);
            for (first, each, head_dim, rotary_dim) in parts {
                let take = RowTake { first, each, period: 28, head_dim, rotary_dim, by_columns: 0 };
                let n_rows = 3 * each as usize;
                let mut wanted = Rows::zeros(n_rows, cols);
                for row in 0..84 {
                    if let Some(to) = take.place_of(row) {
                        assert_eq!(take.stored(to), row);
                        stored.row(row, wanted.row_mut(to));
                    }
                }
                let place = Place { stored: &stored, row_offset: 0, take };
                check(bench, (format, n_rows, cols), place, if format.is_float() { 1001 } else { 41 }, &wanted).await;
            }
        }
        for format in [Format::F32, Format::F16, Format::BF16] {
            let mut random = Random(format.block_bytes());
            // `[in, out]`: 96 rows of 42, of which a matrix takes columns 14 to 28.
            const COLS: usize = 96;
            let stored = Stored::random(format, COLS, 42, &mut random);
            let take = RowTake { first: 14, each: 14, period: 42, by_columns: 42, ..RowTake::default() };
            let (mut wanted, mut row) = (Rows::zeros(14, COLS), vec![0.0; 42]);
            for i in 0..COLS {
                stored.row(i, &mut row);
                (0..14).for_each(|j| wanted.row_mut(j)[i] = row[14 + j]);
            }
            check(bench, (Format::F32, 14, COLS), Place { stored: &stored, row_offset: 0, take }, 1001, &wanted).await;
        }
    }
}

/// A head of 128 rows whose pairs stand side by side in the file, its second half first: that makes groups of 32 rows of both halves
/// whole, and those of the first half lie between them.
pub async fn halves_of_a_head() {
    const ROWS: usize = 128;
    const COLS: usize = 96;
    for options in [GpuOptions::default(), as_hardware()] {
        let bench = Bench::with(options).await;
        for format in [Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q8_0] {
            let weight = Stored::random(format, ROWS, COLS, &mut Random(format.block_bytes()));
            let take = RowTake { head_dim: 128, rotary_dim: 128, ..RowTake::all(ROWS as u32) };
            let matrix = GpuMatrix::new(&bench.gpu, "weight", format, ROWS as u32, COLS as u32, &bench.nothing);
            let (first_half, second_half) = weight.bytes.split_at(weight.bytes.len() / 2);
            let half = (ROWS * COLS / 64) as u64;
            let uploader = Uploader::new(&bench.gpu, weight.bytes.len() as u64);
            for (bytes, first) in [(second_half, half), (first_half, 0)] {
                let end = first + half;
                let slice = Slice { chunk_byte: 0, first, end, row_offset: 0, take, stored: format, tensor: 0 };
                uploader
                    .upload(&bench.gpu, &VecBytes::from(bytes.to_vec()), &[(matrix.clone(), slice)])
                    .expect("uploads");
            }
            let mut wanted = Rows::zeros(ROWS, COLS);
            for row in 0..ROWS {
                weight.row(row, wanted.row_mut(take.place_of(row).expect("all are taken")));
            }
            assert_close(&format!("{format:?}"), &read_back(&bench, &matrix).await, &wanted, 2e-7);
        }
    }
}

/// CPU adapters repack blocks of 32 four-bit and eight-bit weights without a kernel, and write each matrix once.
pub async fn on_the_cpu() {
    for (options, by_kernel) in [(GpuOptions::default(), false), (as_hardware(), true)] {
        let bench = Bench::with(options).await;
        for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0] {
            let stored = Stored::random(format, 64, 96, &mut Random(1));
            let before = bench.gpu.counts();
            stored.upload(&bench, 64 * 3);
            let counts = bench.gpu.counts().since(before);
            assert_eq!(counts.dispatches, u64::from(by_kernel), "{format:?}");
            let (quants, scales) = format.gpu_row_bytes(96);
            if !by_kernel {
                assert_eq!((counts.buffer_writes, counts.bytes_written), (2, 64 * (quants + scales)), "{format:?}");
            }
        }
    }
}

/// NaN and infinity in one block of one tensor of several are found, in every float that a format has, and nothing is found of what is
/// there otherwise, be it as large as it may.
pub async fn what_is_no_number_is_found() {
    let bench = Bench::with(GpuOptions { max_binding_bytes: Some(2048), ..GpuOptions::default() }).await;
    for format in Format::ALL {
        let mut random = Random(format.block_bytes());
        let (rows, cols) = (37usize, 96usize.next_multiple_of(format.block_weights() as usize));
        let mut tensors = [0; 3].map(|_| Stored::random(format, rows, cols, &mut random));
        let (bad, largest): (&[&[u8]], &[u8]) = match format {
            Format::F32 => (&[&[0, 0, 0xc0, 0x7f], &[0, 0, 0x80, 0xff]], &[0xff, 0xff, 0x7f, 0x7f]),
            Format::BF16 => (&[&[0xc0, 0x7f], &[0x80, 0xff]], &[0x7f, 0xff]),
            Format::MXFP4 => (&[&[0xff]], &[0xfe]),
            _ => (&[&[0, 0x7e], &[0, 0xfc]], &[0xff, 0x7b]),
        };
        let at = if format.spec().halves_at.is_empty() { &[0] } else { format.spec().halves_at };
        let block_bytes = format.block_bytes() as usize;
        let last = tensors[0].bytes.len() / block_bytes - 1;
        let matrix = GpuMatrix::new(&bench.gpu, "weight", format, 3 * 64, cols as u32, &bench.nothing);
        let chunk_blocks = if format.is_float() { 1001 } else { 41 };
        for (in_tensor, block) in [(0, 0), (1, last), (2, last / 2)] {
            for at in at {
                let byte = block * block_bytes + at;
                let before = tensors[in_tensor].bytes.clone();
                for (value, wanted) in bad.iter().map(|bad| (*bad, Some(in_tensor as u32))).chain([(largest, None)]) {
                    tensors[in_tensor].bytes[byte..byte + value.len()].copy_from_slice(value);
                    let is_finite = tensors.iter().all(|tensor| format.is_finite(&tensor.bytes));
                    assert_eq!(is_finite, wanted.is_none(), "{format:?}: {value:?} at {at} of block {block}");
                    let take = RowTake::all(rows as u32);
                    let places = (0u32..).zip(&tensors).map(|(i, stored)| Place { stored, row_offset: 64 * i, take });
                    let places: Vec<_> = places.collect();
                    let found = upload(&bench, &matrix, &places, chunk_blocks).check(&bench.gpu).await;
                    assert_eq!(found, Ok(wanted), "{format:?}: {value:?} at {at} of block {block}");
                }
                tensors[in_tensor].bytes = before;
            }
        }
    }
}

/// Uploads a tensor into a matrix of its own, and reads that back.
async fn check(
    bench: &Bench,
    (format, rows, cols): (Format, usize, usize),
    place: Place<'_>,
    chunk_blocks: usize,
    wanted: &Rows,
) {
    let matrix = GpuMatrix::new(&bench.gpu, "weight", format, rows as u32, cols as u32, &bench.nothing);
    let label = format!("{:?} into {format:?}, {:?}", place.stored.format, place.take);
    upload(bench, &matrix, &[place], chunk_blocks);
    assert_close(&label, &read_back(bench, &matrix).await, wanted, 2e-7);
}

/// A matrix row by row, through the embedding kernel.
async fn read_back(bench: &Bench, matrix: &GpuMatrix) -> Rows {
    let tokens: Vec<_> = (0..matrix.rows).map(|token| StepRow { token, slot: 0, position: 0 }).collect();
    let step = bench.write_step(&tokens, 1);
    let y = bench.room(tokens.len(), matrix.cols as usize);
    let op = Embedding { weight: 0, scale: 1.0, row: TableRow::Token };
    bench.run(op.lower(&bench.lowering(bench.variants()[0], 128), "y", matrix, &y), &step);
    bench.read(&y, tokens.len()).await
}
