//! Repacking where it is not plain: several tensors in one matrix, rotary heads whose halves are interleaved in the file.

use doran::gpu::upload::{GpuMatrix, Slice, Uploader};
use doran::ops::StepRow;
use doran::ops::embedding::Embedding;
use doran::ops::{CpuMatrix, Rows};
use doran::quant::Format;
use doran::weights::VecBytes;

use crate::harness::{Bench, Random, Stored, assert_close};

/// Two tensors, the first with interleaved heads of 6 rows, the second from row 32 on; both in chunks that begin and end
/// inside rows, at odd elements. Read back row by row through the embedding kernel.
pub async fn pieces_and_interleaved_heads() {
    let bench = Bench::new().await;
    for format in Format::ALL {
        let (cols, head_dim) = (96, 6);
        let mut random = Random(format.block_bytes());
        let first = Stored::random(format, 18, cols, &mut random);
        let second = Stored::random(format, 5, cols, &mut random);
        let matrix = GpuMatrix::new(&bench.gpu, "weight", format, 37, cols as u32, &bench.nothing);
        for (stored, row_offset, rope_head_dim) in [(&first, 0, head_dim), (&second, 32, 0)] {
            let block_bytes = format.block_bytes() as usize;
            let uploader = Uploader::new(&bench.gpu, 41 * block_bytes as u64 + 8);
            let n_blocks = stored.bytes.len() / block_bytes;
            for begin in (0..n_blocks).step_by(41) {
                let end = (begin + 41).min(n_blocks);
                let mut chunk = vec![0xCD; 4];
                chunk.extend_from_slice(&stored.bytes[begin * block_bytes..end * block_bytes]);
                let slice = Slice { chunk_byte: 4, first: begin as u64, end: end as u64, row_offset, rope_head_dim };
                uploader.upload(&bench.gpu, &VecBytes::from(chunk), &[(matrix.clone(), slice)]).expect("uploads");
            }
        }
        // Hugging Face's row j · 3 + i of a head is the stored row 2 i + j.
        let mut wanted = Rows::zeros(23, cols);
        for row in 0..18 {
            let (head, r) = (row / 6, row % 6);
            first.row(head * 6 + 2 * (r % 3) + r / 3, wanted.row_mut(row));
        }
        for row in 0..5 {
            second.row(row, wanted.row_mut(18 + row));
        }
        let rows: Vec<_> = (0..18).chain(32..37).map(|token| StepRow { token, slot: 0, position: 0 }).collect();
        let step = bench.write_step(&rows, 1);
        let y = bench.room(rows.len(), cols);
        let op = Embedding { weight: 0, scale: 1.0 };
        bench.run(op.lower(&bench.lowering(bench.variants()[0], 64), "y", &matrix, &y), &step);
        assert_close(&format!("{format:?}"), &bench.read(&y, rows.len()).await, &wanted, 2e-7);
    }
}
