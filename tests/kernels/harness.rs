//! Runs one lowering on the GPU.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use doran::gpu::device::GpuOptions;
use doran::gpu::upload::{GpuMatrix, RowTake, Slice, Uploader};
use doran::gpu::{DispatchSpec, Draw, Gpu, GpuBuffer, Recording, StepShape, Usage};
use doran::ops::elementwise::Function;
use doran::ops::linear::byte_rows_bytes;
use doran::ops::{
    CpuMatrix, KvFormat, Lowering, MAX_WORK, Operand, Reduce, Rows, StepRow, Variants, prepared_stride, row_stride,
};
use doran::quant::Format;
use doran::weights::VecBytes;

/// What output buffers hold before a kernel runs.
pub const SENTINEL: f32 = 12345.0;

/// Numbers that repeat: a small linear congruential generator (Knuth's MMIX constants).
pub struct Random(pub u64);

impl Random {
    /// Uniform in [0, 2³²).
    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Uniform in [-1, 1).
    pub fn unit(&mut self) -> f32 {
        self.bits() as f32 / 2_147_483_648.0 - 1.0
    }

    /// `[rows, width]` of these.
    pub fn rows(&mut self, rows: usize, width: usize) -> Rows {
        Rows { data: (0..rows * width).map(|_| self.unit()).collect(), width }
    }
}

thread_local! {
    static HAS_GPUS: Cell<bool> = const { Cell::new(false) };
    static GPUS: RefCell<Vec<(GpuOptions, Rc<Gpu>)>> = const { RefCell::new(Vec::new()) };
}

/// The GPU that tests run on; natively lavapipe. A test (in the browser, all of them) has one for each choice of options, with the
/// kernels that are compiled on it: to compile them takes longer than to run them.
pub async fn gpu(options: GpuOptions) -> Rc<Gpu> {
    // The list is first touched after wgpu was used: a thread drops last what it touched first, and wgpu must be there still.
    let find = || GPUS.with_borrow(|gpus| gpus.iter().find(|(of, _)| *of == options).map(|(_, gpu)| Rc::clone(gpu)));
    if let Some(gpu) = HAS_GPUS.get().then(find).flatten() {
        return gpu;
    }
    let gpu = Rc::new(Gpu::open(options).await.expect("tests need a GPU: natively install mesa-vulkan-drivers"));
    gpu.write(&gpu.create_buffer("first", 4, Usage::Storage), 0, &[0; 4]);
    GPUS.with_borrow_mut(|gpus| gpus.push((options, Rc::clone(&gpu))));
    HAS_GPUS.set(true);
    gpu
}

/// A device and what lowerings bind.
pub struct Bench {
    pub gpu: Rc<Gpu>,
    pub nothing: Rc<GpuBuffer>,
    pub step: Rc<GpuBuffer>,
    /// Room for the partial sums of split attention.
    pub partials: Rc<GpuBuffer>,
    /// Room for rows of activations as bytes.
    pub bytes: Rc<GpuBuffer>,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(GpuOptions::default()).await
    }

    pub async fn with(options: GpuOptions) -> Self {
        let gpu = gpu(options).await;
        let nothing = Rc::new(gpu.create_buffer("nothing", 256, Usage::Storage));
        let step = Rc::new(gpu.create_buffer("step", 16 + 16 * 256, Usage::Storage));
        let partials = Rc::new(gpu.create_buffer("partials", 1 << 20, Usage::Storage));
        let bytes = Rc::new(gpu.create_buffer("bytes", byte_rows_bytes(64, 2304), Usage::Storage));
        Self { gpu, nothing, step, partials, bytes }
    }

    /// Values on the GPU, between sentinels: `lead` columns before each row's values and padding after.
    pub fn operand(&self, rows: &Rows, lead: u32) -> Operand {
        let width = rows.width as u32;
        let stride = row_stride(width) + row_stride(lead);
        let offset = row_stride(lead);
        // Tiles of matmul_rows write past the last one; lowering rounds buffers up likewise.
        let n_rows = if rows.len() == 1 { 1 } else { rows.len().next_multiple_of(8) };
        let mut data = vec![SENTINEL; n_rows * stride as usize];
        for i in 0..rows.len() {
            let at = i * stride as usize + offset as usize;
            data[at..at + rows.width].copy_from_slice(rows.row(i));
        }
        let buffer = self.gpu.create_buffer("operand", data.len() as u64 * 4, Usage::Storage);
        self.gpu.write(&buffer, 0, bytemuck::cast_slice(&data));
        Operand { buffer: Rc::new(buffer), stride, offset, width, outputs: false, prepared: None }
    }

    /// Room for `[rows, width]`, filled with sentinels.
    pub fn room(&self, rows: usize, width: usize) -> Operand {
        self.room_from(rows, width, 0)
    }

    /// The same, from column `lead` on: a part of a wider value.
    pub fn room_from(&self, rows: usize, width: usize, lead: u32) -> Operand {
        self.operand(&Rows { data: vec![SENTINEL; rows * width], width }, lead)
    }

    /// Room for one row, behind which its norm by `weight` is prepared.
    pub fn prepared_room(&self, width: usize, weight: &Rc<GpuBuffer>) -> Operand {
        let stride = prepared_stride(width as u32);
        let y = self.operand(&Rows { data: vec![SENTINEL; stride as usize], width: stride as usize }, 0);
        Operand { width: width as u32, prepared: Some(Rc::clone(weight)), ..y }
    }

    /// A vector on the GPU.
    pub fn vector(&self, values: &[f32]) -> Rc<GpuBuffer> {
        let buffer = self.gpu.create_buffer("vector", values.len() as u64 * 4, Usage::Storage);
        self.gpu.write(&buffer, 0, bytemuck::cast_slice(values));
        Rc::new(buffer)
    }

    /// Writes the step's rows.
    pub fn write_step(&self, rows: &[StepRow], n_outputs: u32) -> StepShape {
        self.write_step_about(rows, n_outputs, 0)
    }

    /// The same beside a text of `source_length` tokens.
    pub fn write_step_about(&self, rows: &[StepRow], n_outputs: u32, source_length: u32) -> StepShape {
        let mut words = vec![rows.len() as u32, n_outputs, source_length, 0];
        for row in rows {
            words.extend([row.token, row.slot, row.position, 0]);
        }
        self.gpu.write(&self.step, 0, bytemuck::cast_slice(&words));
        let kv_length = rows.iter().map(|row| row.position + 1).max().unwrap_or(0);
        StepShape { n_rows: rows.len() as u32, n_outputs, kv_length, source_length, draw: Draw::Nothing }
    }

    pub fn lowering(&self, variants: Variants, max_rows: u32) -> Lowering<'_> {
        let Self { step, nothing, partials, bytes, .. } = self;
        Lowering {
            variants,
            step,
            nothing,
            scores: None,
            partials,
            bytes: Some(bytes),
            max_rows,
            max_work: MAX_WORK,
            gate: Function::SiluMul,
        }
    }

    pub fn run(&self, specs: Vec<DispatchSpec>, shape: &StepShape) {
        let recording = Recording::new(&self.gpu, "test", specs).expect("binds");
        self.gpu.submit(&recording, 0..recording.len(), shape, None);
    }

    /// All bytes of a buffer.
    pub async fn read_bytes(&self, buffer: &GpuBuffer) -> Vec<u8> {
        let readback = self.gpu.create_buffer("readback", buffer.bytes(), Usage::Readback);
        self.gpu.copy(buffer, &readback, buffer.bytes());
        self.gpu.read(&readback, buffer.bytes()).await.expect("reads")
    }

    /// `[rows, width]` of an operand, after checking that nothing was written before the first column or in rows that
    /// no tile owns.
    pub async fn read(&self, operand: &Operand, rows: usize) -> Rows {
        let floats: Vec<f32> = bytemuck::pod_collect_to_vec(&self.read_bytes(&operand.buffer).await);
        let mut out = Rows::zeros(rows, operand.width as usize);
        for i in 0..rows {
            let row = &floats[i * operand.stride as usize..][..operand.stride as usize];
            let (offset, width) = (operand.offset as usize, operand.width as usize);
            out.row_mut(i).copy_from_slice(&row[offset..offset + width]);
            assert!(row[..offset].iter().all(|v| *v == SENTINEL), "row {i}: written before its first column");
            let end = offset + width.next_multiple_of(4);
            let untouched = row[end..].iter().all(|v| *v == SENTINEL);
            assert!(untouched || operand.prepared.is_some(), "row {i}: written past its last quad");
        }
        out
    }

    /// Fills an operand with sentinels again.
    pub fn clear(&self, operand: &Operand) {
        let data = vec![SENTINEL; (operand.buffer.bytes() / 4) as usize];
        self.gpu.write(&operand.buffer, 0, bytemuck::cast_slice(&data));
    }

    /// Checks that nothing was written in rows from `rows` on.
    pub async fn assert_untouched_after(&self, label: &str, operand: &Operand, rows: usize) {
        let floats: Vec<f32> = bytemuck::pod_collect_to_vec(&self.read_bytes(&operand.buffer).await);
        let rest = &floats[rows * operand.stride as usize..];
        assert!(rest.iter().all(|v| *v == SENTINEL), "{label}: written past the last row");
    }
}

/// A format's turn in [`share`]: each begins with another kernel.
pub fn turn(format: Format) -> usize {
    Format::ALL.iter().position(|other| *other == format).unwrap_or_default()
}

/// Which of `count` kernels a suite runs. All of them natively; in the browser, where a kernel takes a tenth of a second or more to
/// compile, one in eight, and which ones goes by `turn`. Built with `DORAN_WHOLE` set, all of them there too: `npm run test:long -- firefox`.
pub fn share(turn: usize, count: usize) -> impl Iterator<Item = usize> {
    one_in(8, turn, count)
}

/// The same, but one in `step` in the browser: for what others compile as well.
pub fn one_in(step: usize, turn: usize, count: usize) -> impl Iterator<Item = usize> {
    let whole = cfg!(not(target_arch = "wasm32")) || option_env!("DORAN_WHOLE").is_some();
    let step = if whole { 1 } else { step.min(count.max(1)) };
    (turn % step..count).step_by(step)
}

impl Bench {
    /// The ways to add up that this device can run, and to load x.
    pub fn variants(&self) -> Vec<Variants> {
        let capabilities = self.gpu.capabilities();
        let plain = Variants {
            matvec: Reduce::None,
            matvec_workgroup: 64,
            broadcast: false,
            norm: Reduce::None,
            kv: KvFormat::F32,
            ..Variants::default()
        };
        let mut all = vec![plain];
        // In the browser one size: it takes seconds to compile what natively takes milliseconds.
        let sizes: &[u32] = if cfg!(target_arch = "wasm32") { &[64] } else { &[32, 64, 128] };
        for matvec_workgroup in sizes.iter().copied() {
            // Short runs of sub-blocks and long ones.
            let plain = Variants { spread: if matvec_workgroup == 64 { 1 } else { plain.spread }, ..plain };
            all.push(Variants { matvec: Reduce::Workgroup, norm: Reduce::Workgroup, matvec_workgroup, ..plain });
            if capabilities.subgroups {
                all.push(Variants { matvec: Reduce::Subgroup, norm: Reduce::Subgroup, matvec_workgroup, ..plain });
            }
        }
        if capabilities.subgroup_size == Some(4) {
            all.push(Variants { broadcast: true, ..plain });
        }
        all
    }
}

/// A weight matrix as a file stores it.
pub struct Stored {
    pub format: Format,
    pub rows: usize,
    pub cols: usize,
    pub bytes: Vec<u8>,
}

impl Stored {
    /// Random bytes with sane scales, so that every bit pattern of the quants occurs.
    pub fn random(format: Format, rows: usize, cols: usize, random: &mut Random) -> Self {
        let row_bytes = format.row_bytes(cols as u64).expect("whole blocks") as usize;
        let mut bytes: Vec<u8> = (0..rows * row_bytes).map(|_| random.bits() as u8).collect();
        for block in bytes.chunks_exact_mut(format.block_bytes() as usize) {
            let value = random.unit();
            match format {
                Format::F32 => block.copy_from_slice(&value.to_le_bytes()),
                Format::F16 => block.copy_from_slice(&half::f16::from_f32(value).to_le_bytes()),
                Format::BF16 => block.copy_from_slice(&half::bf16::from_f32(value).to_le_bytes()),
                Format::MXFP4 => block[0] = 118 + random.bits() as u8 % 6,
                _ => {}
            }
            for (at, scale) in format.spec().halves_at.iter().zip([value * 0.02, random.unit() * 0.2]) {
                block[*at..at + 2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
            }
        }
        Self { format, rows, cols, bytes }
    }

    /// Uploads in chunks of `chunk_blocks` stored blocks, so that slices begin and end inside rows.
    pub fn upload(&self, bench: &Bench, chunk_blocks: usize) -> GpuMatrix {
        let (rows, cols) = (self.rows as u32, self.cols as u32);
        let matrix = GpuMatrix::new(&bench.gpu, "weight", self.format, rows, cols, &bench.nothing);
        let place = Place { stored: self, row_offset: 0, take: RowTake::all(self.rows as u32) };
        upload(bench, &matrix, &[place], chunk_blocks);
        matrix
    }
}

/// Where a stored tensor goes in a matrix.
pub struct Place<'a> {
    pub stored: &'a Stored,
    /// Row of the matrix where the tensor's row 0 goes.
    pub row_offset: u32,
    /// Which of its rows.
    pub take: RowTake,
}

/// Uploads tensors as if they stood one after the other in a file that is cut every `chunk_blocks` blocks: the end of one
/// and the beginning of the next share a chunk, and slices begin at bytes of every alignment.
pub fn upload(bench: &Bench, matrix: &GpuMatrix, places: &[Place<'_>], chunk_blocks: usize) -> Uploader {
    let block_bytes = places[0].stored.format.block_bytes() as usize;
    let uploader = Uploader::new(&bench.gpu, (chunk_blocks * block_bytes + 4 * places.len()) as u64);
    let blocks_of = |place: &Place<'_>| place.stored.bytes.len() / block_bytes;
    let total: usize = places.iter().map(blocks_of).sum();
    // Not in order, as when several downloads run at once: of the two halves of a word that a cut goes through, either may
    // come first.
    let mut chunks: Vec<_> = (0..total).step_by(chunk_blocks).enumerate().collect();
    chunks.sort_by_key(|(i, _)| [0, 1, 1, 0][i % 4]);
    for (i, begin) in chunks {
        let mut chunk = Vec::new();
        let mut slices = Vec::new();
        let mut place_begin = 0;
        for (tensor, place) in (0..).zip(places) {
            let blocks = blocks_of(place);
            let first = begin.clamp(place_begin, place_begin + blocks) - place_begin;
            let end = (begin + chunk_blocks).clamp(place_begin, place_begin + blocks) - place_begin;
            place_begin += blocks;
            if first == end {
                continue;
            }
            // Bytes of something else come first, as they do in a file.
            chunk.resize(chunk.len() + 1 + i % 4, 0xAB);
            let chunk_byte = chunk.len() as u64;
            chunk.extend_from_slice(&place.stored.bytes[first * block_bytes..end * block_bytes]);
            let Place { row_offset, take, stored } = *place;
            let (first, end, stored) = (first as u64, end as u64, stored.format);
            let slice = Slice { chunk_byte, first, end, row_offset, take, stored, tensor };
            slices.push((matrix.clone(), slice));
        }
        uploader.upload(&bench.gpu, &VecBytes::from(chunk), &slices).expect("uploads");
    }
    uploader
}

impl CpuMatrix for Stored {
    fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    fn row(&self, row: usize, out: &mut [f32]) {
        let row_bytes = self.bytes.len() / self.rows;
        self.format.dequantize(&self.bytes[row * row_bytes..][..row_bytes], out);
    }
}

/// Compares, with a tolerance relative to the largest magnitude that is expected.
pub fn assert_close(label: &str, got: &Rows, wanted: &Rows, tolerance: f32) {
    assert_eq!(got.data.len(), wanted.data.len(), "{label}: shape");
    let scale = wanted.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in got.data.iter().zip(&wanted.data).enumerate() {
        let error = (a - b).abs() / scale;
        // NaN fails.
        assert!(error <= tolerance, "{label}: value {i} is {a}, not {b} (off by {error} of {scale})");
    }
}
