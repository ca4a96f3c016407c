//! `cargo bench`: the kernels of a decoded token and of a prompt on the native adapter, beside what the adapter can do at most.
//! Times are the least of several interleaved runs; figures of two runs of this program do not compare.

use std::rc::Rc;
use std::time::Instant;

use doran::gpu::device::GpuOptions;
use doran::gpu::upload::GpuMatrix;
use doran::gpu::{DispatchSpec, Gpu, GpuBuffer, Recording, StepShape, Usage};
use doran::ops::attention::{Attention, Mask};
use doran::ops::elementwise::Function;
use doran::ops::linear::activations::Activations;
use doran::ops::linear::{Linear, LinearWeights};
use doran::ops::rms_norm::RmsNorm;
use doran::ops::rope_attention::{RopeAttention, partial_bytes};
use doran::ops::{GpuKvLayer, KvFormat, Lowering, Operand, Reduce, Variants, row_stride};
use doran::quant::Format;
use doran::tune::{Wanted, tune};

const ROUNDS: usize = 7;
/// Rows of a prompt's step.
const PROMPT_ROWS: u32 = 64;
/// Positions in the cache for attention.
const POSITIONS: u32 = 512;

/// Shapes of SmolLM2-135M's matrices, and one of a larger model: rows, columns, format.
const MATRICES: [(&str, u32, u32, Format); 10] = [
    ("qkv", 960, 576, Format::Q4_1),
    ("o", 576, 576, Format::Q4_1),
    ("gate+up", 3072, 576, Format::Q4_1),
    ("down", 576, 1536, Format::Q4_1),
    ("head", 49_152, 576, Format::Q8_0),
    ("2048 x 2048", 2048, 2048, Format::Q4_1),
    ("2048 x 2048", 2048, 2048, Format::Q4_K),
    ("2048 x 2048", 2048, 2048, Format::Q8_0),
    ("2048 x 2048", 2048, 2048, Format::F16),
    ("2048 x 2048", 2048, 2048, Format::F32),
];

/// What the adapter can do at most: vec4 loads a second, multiply-adds a second.
struct Ceilings {
    vec4_loads: f64,
    fma: f64,
}

/// A dispatch in wgpu's own words: nothing of doran is in the way.
fn raw_seconds(wgsl: &str, workgroups: u32) -> f64 {
    pollster::block_on(async {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.expect("an adapter");
        let required_limits = adapter.limits();
        let wanted = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&wanted).await.expect("a device");
        let source = wgpu::ShaderSource::Wgsl(wgsl.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = || {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 64 << 20,
                usage,
                mapped_at_creation: false,
            })
        };
        let buffers = [buffer(), buffer()];
        let entries: Vec<_> = buffers
            .iter()
            .enumerate()
            .map(|(i, buffer)| wgpu::BindGroupEntry { binding: i as u32, resource: buffer.as_entire_binding() })
            .collect();
        let layout = pipeline.get_bind_group_layout(0);
        let group =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
        let run = || {
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(workgroups, 1, 1);
            drop(pass);
            let started = Instant::now();
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely()).expect("done");
            started.elapsed().as_secs_f64()
        };
        (0..ROUNDS).map(|_| run()).fold(f64::INFINITY, f64::min)
    })
}

fn ceilings() -> Ceilings {
    let lines = |n: usize, line: &dyn Fn(usize) -> String| (0..n).map(line).collect::<Vec<_>>().join("\n");
    let loads = (64u32 << 20) / 16;
    // Whichever way the adapter likes best: neighbours beside each other or behind each other, in longer or shorter runs.
    let read = |per: u32, index: &dyn Fn(usize) -> String| {
        let wgsl = format!(
            "@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
            @group(0) @binding(1) var<storage, read_write> y: array<vec4<u32>>;
            @compute @workgroup_size(64)
            fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {{
                var sum = vec4<u32>(0u);
                for (var i = 0u; i < {per}u; i += 8u) {{ {} }}
                y[id.x] = sum;
            }}",
            lines(8, &|k| format!("sum ^= x[{}];", index(k)))
        );
        f64::from(loads) / raw_seconds(&wgsl, loads / per / 64)
    };
    let vec4_loads = [16, 64, 256, 1024]
        .into_iter()
        .flat_map(|per| {
            let beside = read(per, &|k| format!("(i + {k}u) * n.x * 64u + id.x"));
            [beside, read(per, &|k| format!("id.x * {per}u + i + {k}u"))]
        })
        .fold(0.0, f64::max);
    let fma = format!(
        "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            let b = x[id.x];
            {}
            for (var i = 0u; i < 64u; i++) {{ {} }}
            y[id.x] = {};
        }}",
        lines(16, &|k| format!("var a{k} = {k}.0;")),
        lines(256, &|k| format!("a{0} = a{0} * 0.999 + b;", k % 16)),
        (0..16).map(|k| format!("a{k}")).collect::<Vec<_>>().join(" + ")
    );
    Ceilings { vec4_loads, fma: 64.0 * 64.0 * 64.0 * 256.0 / raw_seconds(&fma, 64) }
}

struct Bench {
    gpu: Gpu,
    nothing: Rc<GpuBuffer>,
    partials: Rc<GpuBuffer>,
    variants: Variants,
}

impl Bench {
    fn operand(&self, rows: u32, width: u32, outputs: bool) -> Operand {
        let stride = row_stride(width);
        let buffer =
            self.gpu.create_buffer("operand", u64::from(rows.next_multiple_of(8) * stride) * 4, Usage::Storage);
        Operand { buffer: Rc::new(buffer), stride, offset: 0, width, outputs, prepared: None }
    }

    fn lowering(&self, max_rows: u32) -> Lowering<'_> {
        let Self { nothing, partials, variants, .. } = self;
        Lowering {
            variants: *variants,
            step: nothing,
            nothing,
            scores: None,
            partials,
            bytes: None,
            max_rows,
            gate: Function::SiluMul,
            max_work: u64::MAX,
        }
    }

    fn linear(&self, matrix: &GpuMatrix, rows: u32) -> Vec<DispatchSpec> {
        let norm = (rows == 1).then_some(RmsNorm { weight: 0, eps: 1e-5 });
        let weight = self.operand(1, matrix.cols, false).buffer;
        let read = LinearWeights { weight: matrix, bias: None, norm: norm.as_ref().map(|_| &weight) };
        let op = Linear { norm, ..Linear::default() };
        let (x, y) = (self.operand(rows, matrix.cols, false), self.operand(rows, matrix.rows, false));
        op.lower(&self.lowering(rows), "linear", read, (&x, None), &y)
    }

    /// The least seconds of a dispatch list.
    fn seconds(&self, specs: impl Fn() -> Vec<DispatchSpec>, shape: &StepShape) -> f64 {
        let times = 8;
        let recording = Recording::new(&self.gpu, "bench", (0..times).flat_map(|_| specs()).collect()).expect("binds");
        let run = || {
            let started = Instant::now();
            self.gpu.submit(&recording, 0..recording.len(), shape, None);
            pollster::block_on(self.gpu.done()).expect("done");
            started.elapsed().as_secs_f64() / f64::from(times)
        };
        (0..ROUNDS).map(|_| run()).fold(f64::INFINITY, f64::min)
    }
}

fn main() {
    let Ceilings { vec4_loads, fma } = ceilings();
    println!("ceilings: {:.0} M vec4 loads/s, {:.1} G multiply-adds/s", vec4_loads / 1e6, fma / 1e9);
    let gpu = pollster::block_on(Gpu::open(GpuOptions::default())).expect("natively install mesa-vulkan-drivers");
    let formats = [Format::Q4_1, Format::Q4_K, Format::Q8_0, Format::F16, Format::F32];
    let tuning = pollster::block_on(tune(&gpu, &Wanted::new(&formats, Function::SiluMul))).expect("a choice");
    println!("{} {}: {:?}", gpu.capabilities().device, gpu.capabilities().description, tuning.kernels);
    let nothing = Rc::new(gpu.create_buffer("nothing", 1 << 16, Usage::Storage));
    let partials = Rc::new(gpu.create_buffer("partials", partial_bytes(true, 9, 64, POSITIONS), Usage::Storage));
    let mut bench = Bench { variants: tuning.variants(KvFormat::F32), gpu, nothing, partials };
    let one = StepShape { n_rows: 1, n_outputs: 1, kv_length: POSITIONS, ..StepShape::default() };
    let many = StepShape { n_rows: PROMPT_ROWS, ..one };
    for (name, rows, cols, format) in MATRICES {
        let matrix = GpuMatrix::new(&bench.gpu, "weight", format, rows, cols, &bench.nothing);
        // Loads of whole vec4s: the quants and a quarter as many words of scales, for four rows at once.
        let (quants, scales) = format.gpu_row_bytes(u64::from(cols));
        let loads = f64::from(rows) * (quants + scales) as f64 / 16.0;
        let macs = f64::from(rows) * f64::from(cols);
        let seconds = bench.seconds(|| bench.linear(&matrix, 1), &one);
        println!(
            "matvec {name:<12} {format:?} {:7.3} ms, {:5.1} G weights/s, {:3.0} % of the loads",
            seconds * 1e3,
            macs / seconds / 1e9,
            loads / seconds / vec4_loads * 100.0
        );
        let exact = bench.variants;
        for (what, variants) in [("rows", exact), ("workgroup", Variants { matvec: Reduce::Workgroup, ..exact })] {
            for activations in [Activations::F32, Activations::F16, Activations::Int8] {
                if activations == Activations::F16 && !bench.gpu.capabilities().half_floats {
                    continue;
                }
                bench.variants = Variants { activations, ..variants };
                let ms = bench.seconds(|| bench.linear(&matrix, 1), &one) * 1e3;
                println!("matvec {name:<12} {format:?} by {what} in {}: {ms:7.3} ms", activations.name());
            }
        }
        bench.variants = exact;
        if rows < 10_000 {
            let seconds = bench.seconds(|| bench.linear(&matrix, PROMPT_ROWS), &many);
            let rate = macs * f64::from(PROMPT_ROWS) / seconds;
            println!(
                "matmul {name:<12} {format:?} {:7.3} ms, {:5.1} GFLOP/s, {:3.0} % of the multiply-adds",
                seconds * 1e3,
                2.0 * rate / 1e9,
                rate / fma * 100.0
            );
        }
    }
    let attention = Attention {
        layer: 0,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        scale: 0.125,
        mask: Mask::Causal,
        soft_cap: 0.0,
        alibi: 0.0,
        alibi_bf16: false,
        bias: None,
        sinks: None,
    };
    let op = RopeAttention { attention, rotary_dim: 0, table: 0 };
    let cache = || Rc::new(bench.gpu.create_buffer("cache", u64::from(3 * POSITIONS * 64) * 4, Usage::Storage));
    let cache = GpuKvLayer { k: cache(), v: cache(), capacity: POSITIONS };
    // The step says which position the row is at.
    bench.gpu.write(&bench.nothing, 0, bytemuck::cast_slice(&[1u32, 1, 0, 0, 0, 0, POSITIONS - 1, 0]));
    let (q, k, v, y) = (
        bench.operand(1, 576, false),
        bench.operand(1, 192, false),
        bench.operand(1, 192, false),
        bench.operand(1, 576, false),
    );
    let seconds =
        bench.seconds(|| op.lower(&bench.lowering(1), "attention", &cache, (None, None), [&q, &k, &v], &y), &one);
    let loads = f64::from(POSITIONS) * 3.0 * 16.0 * 2.0;
    println!(
        "attention of a row, {POSITIONS} positions {:7.3} ms, {:3.0} % of the loads",
        seconds * 1e3,
        loads / seconds / vec4_loads * 100.0
    );
}
