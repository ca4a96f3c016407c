//! Pipelines by kernel: a kernel's identity is its file, what fills its slots, and its constants.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;

use super::compile::{self, Compiling};
use super::counters::Counters;
use super::device::Gpu;
use super::shader::{self, Access};
use crate::error::{Error, ErrorKind, Result};

/// Which kernel, and how specialised.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSpec {
    /// The file under `shaders/`, e.g. `matvec`.
    pub shader: Cow<'static, str>,
    /// What fills its slots, e.g. `("QUANT", "quant/q4_1")`.
    pub slots: Vec<(Cow<'static, str>, String)>,
    /// Values of its `override`s.
    pub constants: Vec<(Cow<'static, str>, f64)>,
}

impl KernelSpec {
    /// A kernel without slots or constants.
    pub fn new(shader: &'static str) -> Self {
        Self { shader: shader.into(), slots: Vec::new(), constants: Vec::new() }
    }

    /// Fills a slot.
    #[must_use]
    pub fn slot(mut self, slot: &'static str, file: impl Into<String>) -> Self {
        self.slots.push((slot.into(), file.into()));
        self
    }

    /// Sets an `override`.
    #[must_use]
    pub fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.constants.push((name.into(), f64::from(value)));
        self
    }

    /// The kernel in a line that [`KernelSpec::read`] reads, e.g. `matvec QUANT=quant/q4_1 WORKGROUP:16`.
    pub fn written(&self) -> String {
        let mut line = self.shader.to_string();
        for (slot, file) in &self.slots {
            line.extend([" ", slot, "=", file]);
        }
        for (name, value) in &self.constants {
            line.extend([" ", name, ":", &(*value as u32).to_string()]);
        }
        line
    }

    /// The kernel of such a line; none if it is no such line.
    pub fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut kernel = Self { shader: words.next()?.to_owned().into(), slots: Vec::new(), constants: Vec::new() };
        for word in words {
            if let Some((slot, file)) = word.split_once('=') {
                kernel.slots.push((slot.to_owned().into(), file.to_owned()));
            } else {
                let (name, value) = word.split_once(':')?;
                kernel.constants.push((name.to_owned().into(), f64::from(value.parse::<u32>().ok()?)));
            }
        }
        Some(kernel)
    }

    /// E.g. `matvec[quant/q4_1,reduce/none,WORKGROUP=16]`: the label and the cache key.
    pub fn label(&self) -> String {
        let slots = self.slots.iter().map(|(_, file)| file.clone());
        let constants = self.constants.iter().map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<_> = slots.chain(constants).collect();
        if parts.is_empty() { self.shader.to_string() } else { format!("{}[{}]", self.shader, parts.join(",")) }
    }
}

/// A compiled kernel with its layout.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) raw: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) n_bindings: usize,
}

/// The kernels compiled so far on one device, those that are being compiled, and those that do not compile.
#[derive(Debug, Default)]
pub(super) struct PipelineCache {
    pipelines: RefCell<HashMap<String, Rc<Pipeline>>>,
    started: RefCell<HashMap<String, Rc<Started>>>,
    failed: RefCell<HashMap<String, Error>>,
}

/// A kernel that is being compiled, and what the device said of its text.
struct Started {
    parts: Parts,
    compiling: Compiling,
    refused: RefCell<Option<Refused>>,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("parts", &self.parts).finish_non_exhaustive()
    }
}

/// What calls were refused for, if they were.
type Refused = Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>;

/// What `create` makes, and what it was refused for. Nothing of it is told as an error of the device.
fn scoped<R>(device: &wgpu::Device, create: impl FnOnce() -> R) -> (R, Refused) {
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let made = create();
    let (internal, validation) = (internal.pop(), validation.pop());
    let refused = async move {
        let (internal, validation) = (internal.await, validation.await);
        validation.or(internal)
    };
    (made, Box::pin(refused))
}

fn does_not_compile(label: &str, why: &str) -> Error {
    let message = format!("the kernel {label} does not compile ({why}); update the browser or the GPU's driver");
    Error::new(ErrorKind::Gpu, message).with("kernel", label)
}

/// Whether a kernel did not compile: another may stand in for it.
pub fn is_of_kernel(error: &Error) -> bool {
    error.kind() == ErrorKind::Gpu && error.data().contains_key("kernel")
}

impl Gpu {
    /// Starts compiling kernels, all at once and beside other work where the platform can; [`Gpu::compile`] waits for them, and
    /// tells of those that do not compile.
    ///
    /// # Errors
    /// `gpu` if a kernel's text is not there or not whole.
    pub fn start_compiling(&self, kernels: &[KernelSpec]) -> Result<()> {
        let cache = &self.pipelines;
        let mut asked: Vec<(String, &KernelSpec, String)> = Vec::new();
        for spec in kernels {
            let label = spec.label();
            let known = cache.pipelines.borrow().contains_key(&label) || cache.failed.borrow().contains_key(&label);
            let started = cache.started.borrow().contains_key(&label) || asked.iter().any(|(of, ..)| *of == label);
            if !known && !started {
                asked.push((label, spec, text_of(spec)?));
            }
        }
        // Bytes wait for those that repack them; of the others those with the longest texts take longest, alone if they come last.
        let first = |asked: &[(String, &KernelSpec, String)]| {
            let order = |(_, (_, spec, wgsl)): &(usize, &(String, &KernelSpec, String))| {
                (spec.shader != "repack", Reverse(wgsl.len()))
            };
            asked.iter().enumerate().min_by_key(order).map(|(i, _)| i)
        };
        while let Some(i) = first(&asked) {
            let (label, spec, wgsl) = asked.swap_remove(i);
            let start = || {
                let parts = Parts::new(self, wgsl, &label);
                let compiling = compile::start(&self.device, &|| parts.create(&self.device, spec, &label));
                (parts, compiling)
            };
            let ((parts, compiling), refused) = scoped(&self.device, start);
            match compiling {
                Ok(compiling) => {
                    let started = Started { parts, compiling, refused: RefCell::new(Some(refused)) };
                    cache.started.borrow_mut().insert(label, Rc::new(started));
                }
                Err(why) => {
                    let error = does_not_compile(&label, &why);
                    cache.failed.borrow_mut().insert(label, error);
                }
            }
        }
        Ok(())
    }

    /// Whether one of these is known not to compile.
    pub fn has_broken(&self, kernels: &[KernelSpec]) -> bool {
        let failed = self.pipelines.failed.borrow();
        kernels.iter().any(|spec| failed.contains_key(&spec.label()))
    }

    /// Compiles kernels, those that were started among them, all at once.
    ///
    /// # Errors
    /// `gpu` with `kernel`, its label, if one does not compile ([`is_of_kernel`]); `device_lost`.
    pub async fn compile(&self, kernels: &[KernelSpec]) -> Result<()> {
        self.start_compiling(kernels)?;
        for spec in kernels {
            let (label, cache) = (spec.label(), &self.pipelines);
            let started = cache.started.borrow().get(&label).cloned();
            if let Some(started) = started {
                let finished = self.finished(&started, spec, &label).await;
                // Another caller may have waited for the same.
                if cache.started.borrow_mut().remove(&label).is_some() {
                    match finished {
                        Ok(raw) => drop(cache.keep(&self.counters, label.clone(), started.parts.with(raw))),
                        Err(why) => {
                            let error = self.refused(does_not_compile(&label, &why));
                            cache.failed.borrow_mut().insert(label.clone(), error);
                        }
                    }
                }
            }
            cache.check(&label)?;
        }
        Ok(())
    }

    /// The pipeline of a kernel that was started, or why there is none.
    async fn finished(
        &self,
        started: &Started,
        spec: &KernelSpec,
        label: &str,
    ) -> std::result::Result<wgpu::ComputePipeline, String> {
        let Started { parts, compiling, refused } = started;
        let mut all: Vec<_> = refused.take().into_iter().collect();
        let later = RefCell::new(Vec::new());
        let create = || {
            let (raw, refused) = scoped(&self.device, || parts.create(&self.device, spec, label));
            later.borrow_mut().push(refused);
            raw
        };
        let raw = compiling.finish(&self.device, &create).await;
        all.append(&mut later.take());
        for refused in all {
            if let Some(error) = refused.await {
                return Err(error.to_string());
            }
        }
        raw
    }

    /// The kernel's pipeline, compiled now if nobody prepared it.
    pub(super) fn pipeline(&self, spec: &KernelSpec) -> Result<Rc<Pipeline>> {
        let label = spec.label();
        self.pipelines.check(&label)?;
        if let Some(pipeline) = self.pipelines.pipelines.borrow().get(&label) {
            return Ok(Rc::clone(pipeline));
        }
        let parts = Parts::new(self, text_of(spec)?, &label);
        let raw = parts.create(&self.device, spec, &label);
        Ok(self.pipelines.keep(&self.counters, label, parts.with(raw)))
    }
}

impl PipelineCache {
    /// Fails if the kernel does not compile, as far as that is known.
    fn check(&self, label: &str) -> Result<()> {
        self.failed.borrow().get(label).map_or(Ok(()), |error| Err(error.clone()))
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

/// A kernel's text, as this device's compiler takes it.
fn text_of(spec: &KernelSpec) -> Result<String> {
    shader::join(&spec.shader, &spec.slots, super::device::SHADERS_FOR_NAGA)
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
    fn new(gpu: &Gpu, wgsl: String, label: &str) -> Self {
        let device = &gpu.device;
        let accesses = shader::bindings(&wgsl);
        let wgsl = gpu.injector.rewritten(label, wgsl);
        let label = Some(label);
        let source = wgpu::ShaderSource::Wgsl(wgsl.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label, source });
        let entries: Vec<_> = accesses.iter().enumerate().map(|(i, access)| layout_entry(i, *access)).collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        Self { module, layout, pipeline_layout, n_bindings: accesses.len() }
    }

    fn create(&self, device: &wgpu::Device, spec: &KernelSpec, label: &str) -> wgpu::ComputePipeline {
        let constants: Vec<_> = spec.constants.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&self.pipeline_layout),
            module: &self.module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
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
