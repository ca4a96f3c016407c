//! Kernels rewritten so that they count their loads.

use crate::kernels::harness::Bench;
use doran::gpu::shader::{Access, bindings, join};
use doran::gpu::{DispatchSpec, StepShape};
use wgpu::util::DeviceExt;

/// The arrays whose loads are counted.
const COUNTED: [&str; 4] = ["quants", "scales", "k_cache", "v_cache"];

/// A device that runs rewritten kernels.
pub struct Counter {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Counter {
    pub fn new() -> Self {
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

    /// Runs one dispatch of a step on copies of its buffers; gives the bytes that it loads of each of [`COUNTED`], and then by how
    /// many loads of each.
    async fn bytes(&self, bench: &Bench, spec: &DispatchSpec, shape: &StepShape) -> [u64; 8] {
        let grid = (spec.grid)(shape);
        if grid.contains(&0) {
            return [0; 8];
        }
        let joined = join(&spec.kernel.shader, &spec.kernel.slots, true).expect("joins");
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
        let constants: Vec<_> = spec.kernel.constants.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        });
        let buffer = |contents: &[u8], usage| {
            self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        let mut buffers = vec![buffer(&spec.params, wgpu::BufferUsages::UNIFORM)];
        for original in &spec.buffers {
            buffers.push(buffer(&bench.read_bytes(original).await, wgpu::BufferUsages::STORAGE));
        }
        buffers.push(buffer(&[0; 32], wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC));
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
            size: 32,
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
        encoder.copy_buffer_to_buffer(&buffers[buffers.len() - 1], 0, &counts, 0, 32);
        self.queue.submit([encoder.finish()]);
        counts.slice(..).map_async(wgpu::MapMode::Read, |mapped| mapped.expect("maps"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("runs");
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&counts.slice(..).get_mapped_range().expect("mapped"));
        std::array::from_fn(|i| u64::from(words[i]) * if i < 4 { 4 } else { 1 })
    }

    /// The same for all dispatches, in sum: weights, and keys and values.
    pub async fn sums(&self, bench: &Bench, specs: &[DispatchSpec], shape: &StepShape) -> (u64, u64) {
        let (mut weights, mut kv) = (0, 0);
        for spec in specs {
            let [quants, scales, k, v, ..] = self.bytes(bench, spec, shape).await;
            weights += quants + scales;
            kv += k + v;
        }
        (weights, kv)
    }

    /// Loads of weights and scales for all dispatches, in sum.
    pub async fn loads(&self, bench: &Bench, specs: &[DispatchSpec], shape: &StepShape) -> u64 {
        let mut loads = 0;
        for spec in specs {
            let [.., quants, scales, _, _] = self.bytes(bench, spec, shape).await;
            loads += quants + scales;
        }
        loads
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

/// WGSL whose loads of [`COUNTED`] add the words that they load to `loads`, at binding `binding`, and one to what is four on.
fn counting(wgsl: &str, binding: usize) -> String {
    let mut text = String::new();
    let (declarations, code): (Vec<_>, Vec<_>) = wgsl.lines().partition(|line| line.starts_with("@group(0)"));
    let mut code = code.join("\n");
    for line in &declarations {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("@group(0) @binding({binding}) var<storage, read_write> loads: array<atomic<u32>, 8>;\n"));
    let half_cache = wgsl.contains("alias KvQuad = vec2<u32>");
    for (i, name) in COUNTED.iter().enumerate() {
        let Some(line) = declarations.iter().find(|line| line.contains(&format!(" {name}: array<"))) else { continue };
        let element = line.split("array<").nth(1).expect("an array").split(">;").next().expect("ends");
        let words = if element == "KvQuad" && half_cache { 2 } else { 4 };
        let word = if element == "vec4<u32>" { "u32" } else { "f32" };
        code = calls(&code, name);
        text.push_str(&format!(
            "fn load_{name}(i: u32) -> {element} {{ atomicAdd(&loads[{i}], {words}u); atomicAdd(&loads[{}], 1u); return {name}[i]; }}\n",
            i + 4
        ));
        if code.contains(&format!("load_word_{name}(")) {
            text.push_str(&format!(
                "fn load_word_{name}(i: u32, c: u32) -> {word} {{ atomicAdd(&loads[{i}], 1u); atomicAdd(&loads[{}], 1u); return {name}[i][c]; }}\n",
                i + 4
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
