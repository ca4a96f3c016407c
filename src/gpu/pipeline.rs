//! Pipelines by kernel: a kernel's identity is its file, what fills its slots, and its constants.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

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

/// The kernels compiled so far on one device.
#[derive(Debug, Default)]
pub(super) struct PipelineCache {
    pipelines: RefCell<HashMap<String, Rc<Pipeline>>>,
}

impl PipelineCache {
    /// The kernel's pipeline, compiled at its first use.
    pub(super) fn get(&self, device: &wgpu::Device, counters: &Counters, spec: &KernelSpec) -> Result<Rc<Pipeline>> {
        let label = spec.label();
        if let Some(pipeline) = self.pipelines.borrow().get(&label) {
            return Ok(Rc::clone(pipeline));
        }
        let wgsl = shader::join(spec.shader, &spec.slots, super::device::SHADERS_FOR_NAGA)?;
        let accesses = shader::bindings(&wgsl);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        });
        let entries: Vec<_> = accesses.iter().enumerate().map(|(i, access)| layout_entry(i, *access)).collect();
        let layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&label), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &spec.constants, ..Default::default() },
            cache: None,
        });
        counters.update(|c| c.created += 2);
        let pipeline = Rc::new(Pipeline { raw, layout, n_bindings: accesses.len() });
        self.pipelines.borrow_mut().insert(label, Rc::clone(&pipeline));
        Ok(pipeline)
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
