//! What kernels really load: the bytes that their ops declare are held against counters that each load of weights, keys and
//! values adds to. The WGSL is rewritten for it: `quants[i]` becomes a call that counts.

use std::rc::Rc;

use crate::kernels::harness::{Bench, Random, Stored};
use doran::gpu::shader::{Access, bindings, join};
use doran::gpu::{DispatchSpec, StepShape, Usage};
use doran::ops::attention::{Around, Attention, Mask, score_bytes};
use doran::ops::embedding::{Embedding, TableRow};
use doran::ops::linear::{Linear, LinearWeights};
use doran::ops::rope_attention::{RopeAttention, partial_bytes};
use doran::ops::{GpuKvLayer, KvFormat, Lowering, Reduce, StepRow, Variants};
use doran::quant::Format;
use wgpu::util::DeviceExt;

/// The arrays whose loads are counted.
const COUNTED: [&str; 4] = ["quants", "scales", "k_cache", "v_cache"];

/// A device that runs rewritten kernels.
struct Counter {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Counter {
    fn new() -> Self {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        let instance = wgpu::Instance::new(descriptor);
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
        let adapter = adapter.expect("tests need a GPU: natively install mesa-vulkan-drivers");
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_features: adapter.features() & wgpu::Features::SUBGROUP,
            required_limits: adapter.limits(),
            ..Default::default()
        }))
        .expect("a device");
        Self { device, queue }
    }

    /// Runs one dispatch of a step on copies of its buffers; gives the bytes that it loads of each of [`COUNTED`].
    async fn bytes(&self, bench: &Bench, spec: &DispatchSpec, shape: &StepShape) -> [u64; 4] {
        let grid = (spec.grid)(shape);
        if grid.contains(&0) {
            return [0; 4];
        }
        let joined = join(spec.kernel.shader, &spec.kernel.slots, true).expect("joins");
        let wgsl = counting(&joined, spec.buffers.len() + 1);
        let entries: Vec<_> =
            bindings(&wgsl).into_iter().enumerate().map(|(i, access)| layout_entry(i, access)).collect();
        let layout =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &spec.kernel.constants,
                ..Default::default()
            },
            cache: None,
        });
        let buffer = |contents: &[u8], usage| {
            self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        let mut buffers = vec![buffer(&spec.params, wgpu::BufferUsages::UNIFORM)];
        for original in &spec.buffers {
            buffers.push(buffer(&bench.read_bytes(original).await, wgpu::BufferUsages::STORAGE));
        }
        buffers.push(buffer(&[0; 16], wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC));
        let mut entries = Vec::new();
        for (i, buffer) in buffers.iter().enumerate() {
            entries.push(wgpu::BindGroupEntry { binding: i as u32, resource: buffer.as_entire_binding() });
        }
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &layout,
            entries: &entries,
        });
        let counts = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 16,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
        }
        encoder.copy_buffer_to_buffer(&buffers[buffers.len() - 1], 0, &counts, 0, 16);
        self.queue.submit([encoder.finish()]);
        counts.slice(..).map_async(wgpu::MapMode::Read, |mapped| mapped.expect("maps"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("runs");
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&counts.slice(..).get_mapped_range().expect("mapped"));
        std::array::from_fn(|i| u64::from(words[i]) * 4)
    }

    /// The same for all dispatches, in sum: weights, and keys and values.
    async fn sums(&self, bench: &Bench, specs: &[DispatchSpec], shape: &StepShape) -> (u64, u64) {
        let (mut weights, mut kv) = (0, 0);
        for spec in specs {
            let [quants, scales, k, v] = self.bytes(bench, spec, shape).await;
            weights += quants + scales;
            kv += k + v;
        }
        (weights, kv)
    }
}

fn layout_entry(binding: usize, access: Access) -> wgpu::BindGroupLayoutEntry {
    let ty = match access {
        Access::Uniform => wgpu::BufferBindingType::Uniform,
        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

/// WGSL whose loads of [`COUNTED`] add the words that they load to `loads`, at binding `binding`.
fn counting(wgsl: &str, binding: usize) -> String {
    let mut text = String::new();
    let (declarations, code): (Vec<_>, Vec<_>) = wgsl.lines().partition(|line| line.starts_with("@group(0)"));
    let mut code = code.join("\n");
    for line in &declarations {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("@group(0) @binding({binding}) var<storage, read_write> loads: array<atomic<u32>, 4>;\n"));
    let half_cache = wgsl.contains("alias KvQuad = vec2<u32>");
    for (i, name) in COUNTED.iter().enumerate() {
        let Some(line) = declarations.iter().find(|line| line.contains(&format!(" {name}: array<"))) else { continue };
        let element = line.split("array<").nth(1).expect("an array").split(">;").next().expect("ends");
        let words = if element == "KvQuad" && half_cache { 2 } else { 4 };
        let word = if element == "vec4<u32>" { "u32" } else { "f32" };
        code = calls(&code, name);
        text.push_str(&format!(
            "fn load_{name}(i: u32) -> {element} {{ atomicAdd(&loads[{i}], {words}u); return {name}[i]; }}\n"
        ));
        if code.contains(&format!("load_word_{name}(")) {
            text.push_str(&format!(
                "fn load_word_{name}(i: u32, c: u32) -> {word} {{ atomicAdd(&loads[{i}], 1u); return {name}[i][c]; }}\n"
            ));
        }
    }
    text + &code
}

/// `name[…]` → `load_name(…)`, and `name[…][c]` → `load_word_name(…, c)`, but where they are assigned to.
fn calls(code: &str, name: &str) -> String {
    let (mut out, mut rest) = (String::new(), code);
    let opening = format!("{name}[");
    while let Some(at) = rest.find(&opening) {
        let inside = &rest[at + opening.len()..];
        let mut depth = 1;
        let closing = inside.find(|c| {
            depth += i32::from(c == '[') - i32::from(c == ']');
            depth == 0
        });
        let end = closing.expect("brackets close");
        let after = inside[end + 1..].trim_start();
        let whole_word = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        out.push_str(&rest[..at]);
        if let Some(component) = inside[end + 1..].strip_prefix('[').filter(|_| whole_word) {
            let length = component.find(']').expect("brackets close");
            out.push_str(&format!("load_word_{name}({}, {})", calls(&inside[..end], name), &component[..length]));
            rest = &component[length + 1..];
            continue;
        }
        let assigned = after.starts_with('=') && !after.starts_with("==");
        if whole_word && !assigned {
            out.push_str(&format!("load_{name}({})", calls(&inside[..end], name)));
        } else {
            out.push_str(&rest[at..at + opening.len() + end + 1]);
        }
        rest = &inside[end + 1..];
    }
    out + rest
}

#[test]
fn loads_are_found_in_the_text() {
    let code = "a = quants[i * 4u + x[k]]; quants[j] = 1u; b = my_quants[2]; c = quants[scales[0]] == d; e = quants[f + 1u][r];";
    let counted = "a = load_quants(i * 4u + x[k]); quants[j] = 1u; b = my_quants[2]; c = load_quants(scales[0]) == d; e = load_word_quants(f + 1u, r);";
    assert_eq!(calls(code, "quants"), counted);
}

fn step_rows(positions: std::ops::Range<u32>) -> Vec<StepRow> {
    positions.map(|position| StepRow { token: 0, slot: 0, position }).collect()
}

/// Formats whose scales and codes a kernel loads as they are; blocks of 256 load what eight sub-blocks share for each.
const PLAIN: [Format; 6] = [Format::F32, Format::F16, Format::BF16, Format::Q4_0, Format::Q4_1, Format::Q8_0];

#[test]
fn weights_are_loaded_as_often_as_is_declared() {
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        // Rows that are whole workgroups of every kernel: those past the end would load the last quad again.
        let (n, k) = (384, 512);
        let mut random = Random(3);
        for format in PLAIN {
            let weight = Stored::random(format, n, k, &mut random);
            let matrix = weight.upload(&bench, 777);
            for variants in bench.variants() {
                for tokens in [1, 5, 8, 64] {
                    let shape = bench.write_step(&step_rows(0..tokens as u32), 1);
                    let ctx = bench.lowering(variants, if tokens == 1 { 1 } else { 64 });
                    let (x, y) = (bench.operand(&random.rows(tokens, k), 0), bench.room(tokens, n));
                    let read = LinearWeights { weight: &matrix, bias: None, norm: None };
                    let specs = Linear::default().lower(&ctx, "y", read, (&x, None), &y);
                    let declared: u64 = specs.iter().map(|spec| (spec.weight_bytes)(&shape)).sum();
                    let (loaded, _) = counter.sums(&bench, &specs, &shape).await;
                    let label = format!("{format:?}, {tokens} rows, {variants:?}");
                    if tokens == 1 || variants.matvec == Reduce::None {
                        assert_eq!(loaded, declared, "{label}");
                    } else {
                        // The four invocations that unpack a quad's rows load its scales each.
                        let (quants, scales) = format.gpu_row_bytes(k as u64);
                        let most = declared * (quants + 4 * scales) / (quants + scales);
                        assert!(loaded >= declared && loaded <= most, "{label}: {loaded} of {declared}");
                    }
                    // A decoded token loads each weight once.
                    let stored: u64 = matrix.parts.iter().map(|part| matrix.part_bytes(part)).sum();
                    assert!(tokens > 1 || loaded == stored, "{format:?}: {loaded} of {stored}");
                }
            }
            let op = Embedding { weight: 0, scale: 1.0, row: TableRow::Token };
            let rows: Vec<_> = (0..3).map(|i| StepRow { token: 7 * i, slot: 0, position: i }).collect();
            let shape = bench.write_step(&rows, 1);
            let specs = op.lower(&bench.lowering(bench.variants()[0], 64), "y", &matrix, &bench.room(3, k));
            let (loaded, _) = counter.sums(&bench, &specs, &shape).await;
            // A quad's scales come in one vec4, of which a row takes a word.
            let (quants, scales) = format.gpu_row_bytes(k as u64);
            assert_eq!(loaded, 3 * (quants + 4 * scales), "{format:?}");
        }
    });
}

/// What else is loaded as declared, and how many times as much the others load: each of the eight sub-blocks of a block of 256
/// loads the words of scales that they share, which are in the cache by then.
const OTHERS: [(Format, f64); 12] = [
    (Format::Q5_0, 1.0),
    (Format::Q5_1, 1.0),
    (Format::Q6_K, 1.0),
    (Format::IQ4_NL, 1.0),
    (Format::IQ4_XS, 1.0),
    (Format::MXFP4, 1.0),
    (Format::Q5_K, 1.64),
    (Format::Q4_K, 1.78),
    (Format::Q3_K, 2.0),
    (Format::Q2_K, 2.34),
    (Format::TQ1_0, 2.34),
    (Format::TQ2_0, 2.34),
];

#[test]
fn blocks_of_256_load_their_scales_again() {
    assert_eq!(PLAIN.len() + OTHERS.len(), Format::ALL.len());
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        let (n, k) = (256, 512);
        let mut random = Random(4);
        for (format, times) in OTHERS {
            let matrix = Stored::random(format, n, k, &mut random).upload(&bench, 777);
            let shape = bench.write_step(&step_rows(0..1), 1);
            for variants in bench.variants() {
                let (x, y) = (bench.operand(&random.rows(1, k), 0), bench.room(1, n));
                let read = LinearWeights { weight: &matrix, bias: None, norm: None };
                let specs = Linear::default().lower(&bench.lowering(variants, 1), "y", read, (&x, None), &y);
                let declared: u64 = specs.iter().map(|spec| (spec.weight_bytes)(&shape)).sum();
                let (loaded, _) = counter.sums(&bench, &specs, &shape).await;
                let most = declared as f64 * times;
                assert!(loaded >= declared && loaded as f64 <= most, "{format:?}: {loaded} of {declared}");
            }
        }
    });
}

#[test]
fn keys_and_values_are_loaded_as_often_as_is_declared() {
    pollster::block_on(async {
        let (bench, counter) = (Bench::new().await, Counter::new());
        let (heads, kv_heads, head_dim, capacity) = (9, 3, 64, 256);
        let mut random = Random(5);
        for kv in [KvFormat::F32, KvFormat::F16] {
            let bytes = u64::from(kv_heads * capacity * head_dim) * kv.bytes();
            let buffer = || Rc::new(bench.gpu.create_buffer("cache", bytes, Usage::Storage));
            let cache = GpuKvLayer { k: buffer(), v: buffer(), capacity };
            let scores = Rc::new(bench.gpu.create_buffer("scores", score_bytes(64, heads, capacity), Usage::Storage));
            for mask in [Mask::Causal, Mask::Window(64)] {
                let attention = Attention {
                    layer: 0,
                    heads,
                    kv_heads,
                    head_dim,
                    scale: 0.1,
                    mask,
                    soft_cap: 0.0,
                    alibi: 0.0,
                    alibi_bf16: false,
                    bias: None,
                    sinks: None,
                };
                for variants in bench.variants() {
                    let variants = Variants { kv, ..variants };
                    let on_cpu = variants.matvec == Reduce::None;
                    // One row by splits: whole tiles of 16 or 64 positions.
                    let shape = bench.write_step(&step_rows(191..192), 1);
                    let room = partial_bytes(on_cpu, heads, head_dim, capacity);
                    let room = Rc::new(bench.gpu.create_buffer("partials", room, Usage::Storage));
                    let ctx = Lowering { partials: &room, ..bench.lowering(variants, 1) };
                    let operand = |n: u32, random: &mut Random| bench.operand(&random.rows(1, n as usize), 0);
                    let q = operand(heads * head_dim, &mut random);
                    let [k, v] = [(); 2].map(|()| operand(kv_heads * head_dim, &mut random));
                    let op = RopeAttention { attention: attention.clone(), rotary_dim: 0, table: 0 };
                    let y = bench.room(1, (heads * head_dim) as usize);
                    let specs = op.lower(&ctx, "y", &cache, (None, None), [&q, &k, &v], &y);
                    let declared: u64 = specs.iter().map(|spec| (spec.kv_bytes)(&shape)).sum();
                    let (_, loaded) = counter.sums(&bench, &specs, &shape).await;
                    assert_eq!(loaded, declared, "a row, {mask:?}, {variants:?}");
                    // Each key and value once for the query heads that share it.
                    let positions = if mask == Mask::Causal { 192 } else { 64 };
                    assert_eq!(declared, 2 * positions * u64::from(kv_heads * head_dim) * kv.bytes());
                }
                // Many rows, by tiles and by rows.
                let shape = bench.write_step(&step_rows(128..192), 1);
                let (q, y) = (bench.operand(&random.rows(64, 576), 0), bench.room(64, 576));
                for scores in [None, Some(&scores)] {
                    let variants = Variants { kv, ..bench.variants()[0] };
                    let ctx = Lowering { scores, ..bench.lowering(variants, 64) };
                    let specs = attention.lower(&ctx, "y", &cache, Around::default(), (&q, &y));
                    let declared: u64 = specs.iter().map(|spec| (spec.kv_bytes)(&shape)).sum();
                    let (_, loaded) = counter.sums(&bench, &specs, &shape).await;
                    // Tiles and quads of positions reach past the row's own; by rows the causal ones read half of what is declared.
                    let least = if scores.is_some() { declared * 3 / 4 } else { declared };
                    let label = format!("{mask:?}, {kv:?}, scores {}: {loaded} of {declared}", scores.is_some());
                    assert!(loaded >= least && loaded * 10 <= declared * 11, "{label}");
                }
            }
        }
    });
}
