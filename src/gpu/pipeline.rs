//! Pipelines by kernel: a kernel's identity is its file, what fills its slots, and its constants.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::compile::{self, Compiling};
use super::counters::Counters;
use super::shader::{self, Access};
use crate::error::Result;

/// Which kernel, and how specialised.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSpec {
    /// The file under `shaders/`, e.g. `matvec`.
    pub shader: &'static str,
    /// What fills its slots, e.g. `("QUANT", "quant/q4_1")`.
    pub slots: Vec<(&'static str, String)>,
    /// Values of its `override`s.
    pub constants: Vec<(&'static str, f64)>,
}

impl KernelSpec {
    /// A kernel without slots or constants.
    pub fn new(shader: &'static str) -> Self {
        Self { shader, slots: Vec::new(), constants: Vec::new() }
    }

    /// Fills a slot.
    #[must_use]
    pub fn slot(mut self, slot: &'static str, file: impl Into<String>) -> Self {
        self.slots.push((slot, file.into()));
        self
    }

    /// Sets an `override`.
    #[must_use]
    pub fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.constants.push((name, f64::from(value)));
        self
    }

    /// E.g. `matvec[quant/q4_1,reduce/none,WORKGROUP=16]`: the label and the cache key.
    pub fn label(&self) -> String {
        let slots = self.slots.iter().map(|(_, file)| file.clone());
        let constants = self.constants.iter().map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<_> = slots.chain(constants).collect();
        if parts.is_empty() { self.shader.to_owned() } else { format!("{}[{}]", self.shader, parts.join(",")) }
    }
}

/// A compiled kernel with its layout.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) raw: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) n_bindings: usize,
}

/// The kernels compiled so far on one device, and those that are being compiled.
#[derive(Debug, Default)]
pub(super) struct PipelineCache {
    pipelines: RefCell<HashMap<String, Rc<Pipeline>>>,
    started: RefCell<HashMap<String, Rc<(Parts, Compiling)>>>,
}

impl PipelineCache {
    /// Starts compiling those of `specs` that are neither there nor being compiled, all at once.
    pub(super) fn start(&self, device: &wgpu::Device, specs: &[KernelSpec]) -> Result<()> {
        for spec in specs {
            let label = spec.label();
            if self.pipelines.borrow().contains_key(&label) || self.started.borrow().contains_key(&label) {
                continue;
            }
            let parts = Parts::new(device, spec, &label)?;
            let compiling = compile::start(device, &|| parts.create(device, spec, &label))?;
            self.started.borrow_mut().insert(label, Rc::new((parts, compiling)));
        }
        Ok(())
    }

    /// Compiles those of `specs` that are not there yet, all at once.
    pub(super) async fn prepare(&self, device: &wgpu::Device, counters: &Counters, specs: &[KernelSpec]) -> Result<()> {
        self.start(device, specs)?;
        for spec in specs {
            let label = spec.label();
            let Some(started) = self.started.borrow().get(&label).cloned() else { continue };
            let (parts, compiling) = &*started;
            let raw = compiling.finish(device, &|| parts.create(device, spec, &label)).await?;
            // Another caller may have waited for the same.
            if self.started.borrow_mut().remove(&label).is_some() {
                self.keep(counters, label, parts.with(raw));
            }
        }
        Ok(())
    }

    /// The kernel's pipeline, compiled now if nobody prepared it.
    pub(super) fn get(&self, device: &wgpu::Device, counters: &Counters, spec: &KernelSpec) -> Result<Rc<Pipeline>> {
        let label = spec.label();
        if let Some(pipeline) = self.pipelines.borrow().get(&label) {
            return Ok(Rc::clone(pipeline));
        }
        let parts = Parts::new(device, spec, &label)?;
        let raw = parts.create(device, spec, &label);
        Ok(self.keep(counters, label, parts.with(raw)))
    }

    fn keep(&self, counters: &Counters, label: String, pipeline: Pipeline) -> Rc<Pipeline> {
        counters.update(|c| {
            c.created += 2;
            c.pipelines += 1;
        });
        let pipeline = Rc::new(pipeline);
        self.pipelines.borrow_mut().insert(label, Rc::clone(&pipeline));
        pipeline
    }
}

/// What a pipeline is made of.
#[derive(Debug)]
struct Parts {
    module: wgpu::ShaderModule,
    layout: wgpu::BindGroupLayout,
    pipeline_layout: wgpu::PipelineLayout,
    n_bindings: usize,
}

impl Parts {
    fn new(device: &wgpu::Device, spec: &KernelSpec, label: &str) -> Result<Self> {
        let label = Some(label);
        let wgsl = shader::join(spec.shader, &spec.slots, super::device::SHADERS_FOR_NAGA)?;
        let accesses = shader::bindings(&wgsl);
        let source = wgpu::ShaderSource::Wgsl(wgsl.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
        let entries: Vec<_> = accesses.iter().enumerate().map(|(i, access)| layout_entry(i, *access)).collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        Ok(Self { module, layout, pipeline_layout, n_bindings: accesses.len() })
    }

    fn create(&self, device: &wgpu::Device, spec: &KernelSpec, label: &str) -> wgpu::ComputePipeline {
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&self.pipeline_layout),
            module: &self.module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &spec.constants, ..Default::default() },
            cache: None,
        })
    }

    fn with(&self, raw: wgpu::ComputePipeline) -> Pipeline {
        Pipeline { raw, layout: self.layout.clone(), n_bindings: self.n_bindings }
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
