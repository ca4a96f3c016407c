//! The device: one owner, what it can do, and what went wrong. The web half makes the device by plain JavaScript calls,
//! because wgpu drops the `subgroups` feature there silently, and hands it to wgpu.

use serde::Serialize;

use super::buffer::{GpuBuffer, Usage};
use super::counters::{Counters, Counts};
use super::faults::Faults;
use super::inject::Injector;
use super::pipeline::PipelineCache;
use crate::error::{Error, ErrorKind, Result};
use crate::weights::Bytes;

/// Whether naga compiles the shaders (natively) or the browser does.
pub(super) const SHADERS_FOR_NAGA: bool = cfg!(not(target_arch = "wasm32"));

/// What the device can do and who it is.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Vendor, as the browser or driver names it.
    pub vendor: String,
    /// Architecture, e.g. `apple-m3` or `swiftshader`.
    pub architecture: String,
    /// Device name or id; often empty in browsers.
    pub device: String,
    /// A sentence about the device; often empty in browsers.
    pub description: String,
    /// A software adapter: workgroup memory and barriers are dear there.
    pub is_fallback: bool,
    /// Optional WebGPU features that the device has and doran uses.
    pub features: Vec<String>,
    /// Limits that doran looks at, by WebGPU's names.
    #[serde(serialize_with = "as_map")]
    pub limits: Vec<(String, u64)>,
    /// Subgroup operations may be used.
    pub subgroups: bool,
    /// Invocations of a subgroup, where subgroups may be used and all have the same size.
    pub subgroup_size: Option<u32>,
    /// Dot products of packed bytes may be used (WGSL § 17.9.1, `packed_4x8_integer_dot_product`).
    pub packed_dot: bool,
    /// Half floats may be computed with (WGSL § 4.1.1, `f16`).
    pub half_floats: bool,
    /// Bytes that one binding may hold.
    pub max_binding_bytes: u64,
    /// Bytes that one buffer may hold.
    pub max_buffer_bytes: u64,
}

fn as_map<S: serde::Serializer>(limits: &[(String, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(limits.iter().map(|(name, limit)| (name, limit)))
}

/// Limits that a test forces, below what the device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuOptions {
    /// Pretend that a binding holds no more than this.
    pub max_binding_bytes: Option<u64>,
    /// Do not use subgroups though the device has them.
    pub no_subgroups: bool,
    /// Do not use dot products of packed bytes though the device has them.
    pub no_packed_dot: bool,
    /// Do not compute with half floats though the device does.
    pub no_half_floats: bool,
    /// Take a software adapter for hardware: weights are laid out as GPUs have them.
    pub as_hardware: bool,
    /// Pretend that buffers find no room beyond so many bytes together.
    pub memory_bytes: Option<u64>,
}

/// A GPU device. Dropping it destroys it.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) counters: Counters,
    capabilities: Capabilities,
    pub(super) pipelines: PipelineCache,
    pub(super) faults: Faults,
    pub(super) memory_bytes: Option<u64>,
    pub(super) injector: Injector,
}

impl Gpu {
    /// Opens the adapter that the platform prefers.
    ///
    /// # Errors
    /// `webgpu_missing` or `adapter_missing`.
    pub async fn open(options: GpuOptions) -> Result<Self> {
        let (device, queue, mut capabilities) = platform::open().await?;
        if options.no_subgroups {
            capabilities.subgroups = false;
            capabilities.subgroup_size = None;
        }
        capabilities.packed_dot &= !options.no_packed_dot;
        capabilities.half_floats &= !options.no_half_floats;
        capabilities.is_fallback &= !options.as_hardware;
        if let Some(bytes) = options.max_binding_bytes {
            capabilities.max_binding_bytes = capabilities.max_binding_bytes.min(bytes);
        }
        let faults = Faults::of(&device);
        let counters = Counters::default();
        let (pipelines, memory_bytes) = (PipelineCache::default(), options.memory_bytes);
        Ok(Self {
            device,
            queue,
            counters,
            capabilities,
            pipelines,
            faults,
            memory_bytes,
            injector: Injector::default(),
        })
    }

    /// What the device can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The counts since the device was opened.
    pub fn counts(&self) -> Counts {
        self.counters.get()
    }

    /// A new buffer, filled with zeros.
    pub fn create_buffer(&self, label: &str, bytes: u64, usage: Usage) -> GpuBuffer {
        self.allocation();
        GpuBuffer::new(&self.device, &self.counters, label, bytes, usage)
    }

    /// Bytes that one buffer may hold and one binding show.
    pub fn max_bytes(&self) -> u64 {
        self.capabilities.max_binding_bytes.min(self.capabilities.max_buffer_bytes)
    }

    /// Refuses a buffer that the device cannot bind: asking first gives an error that says what to do.
    ///
    /// # Errors
    /// `out_of_memory` with `needed_bytes` and `available_bytes`.
    pub fn check_fits(&self, what: &str, bytes: u64) -> Result<()> {
        let limit = self.max_bytes();
        if bytes <= limit {
            return Ok(());
        }
        let message = format!(
            "{what} takes {bytes} bytes, and this GPU allows {limit} in one piece; use a smaller model or context"
        );
        Err(Error::new(ErrorKind::OutOfMemory, message).with("needed_bytes", bytes).with("available_bytes", limit))
    }

    pub(super) fn create_bind_group(
        &self,
        label: &str,
        layout: &wgpu::BindGroupLayout,
        entries: &[wgpu::BindGroupEntry<'_>],
    ) -> wgpu::BindGroup {
        self.counters.update(|c| c.created += 1);
        self.device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(label), layout, entries })
    }

    /// Milliseconds since some moment.
    pub fn now_ms(&self) -> f64 {
        platform::now_ms()
    }

    /// Lets callbacks run where nothing else does: natively wgpu must be polled, browsers do it by themselves.
    pub(super) fn pump(&self) {
        platform::pump(&self.device);
    }

    /// Writes a chunk's bytes at the start of `buffer`; in browsers without a detour through the wasm heap.
    pub(super) fn write_chunk<B: Bytes>(&self, buffer: &GpuBuffer, chunk: &B) {
        if platform::write_chunk(self, buffer, chunk.as_any()) {
            self.count_write(chunk.len());
        } else {
            self.write(buffer, 0, &chunk.to_vec());
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        self.device.destroy();
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod platform {
    use super::{Capabilities, Error, ErrorKind, Result};

    pub(super) async fn open() -> Result<(wgpu::Device, wgpu::Queue, Capabilities)> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN;
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.map_err(|error| {
            Error::new(ErrorKind::AdapterMissing, format!("no Vulkan adapter ({error}); install mesa-vulkan-drivers"))
        })?;
        let info = adapter.get_info();
        let wanted = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16;
        let features = adapter.features() & wanted;
        let limits = adapter.limits();
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("doran"),
                required_features: features,
                required_limits: limits.clone(),
                ..Default::default()
            })
            .await
            .map_err(|error| Error::new(ErrorKind::AdapterMissing, format!("the adapter gives no device: {error}")))?;
        let capabilities = Capabilities {
            vendor: format!("{:#06x}", info.vendor),
            architecture: info.driver,
            device: info.name,
            description: info.driver_info,
            is_fallback: info.device_type == wgpu::DeviceType::Cpu,
            features: features.iter_names().map(|(name, _)| name.to_owned()).collect(),
            limits: [
                ("maxStorageBufferBindingSize".to_owned(), limits.max_storage_buffer_binding_size),
                ("maxBufferSize".to_owned(), limits.max_buffer_size),
            ]
            .into(),
            subgroups: features.contains(wgpu::Features::SUBGROUP),
            subgroup_size: (info.subgroup_min_size == info.subgroup_max_size
                && features.contains(wgpu::Features::SUBGROUP))
            .then_some(info.subgroup_min_size),
            // naga writes them out where the driver has none.
            packed_dot: true,
            half_floats: features.contains(wgpu::Features::SHADER_F16),
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_buffer_bytes: limits.max_buffer_size,
        };
        Ok((device, queue, capabilities))
    }

    pub(super) fn now_ms() -> f64 {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64() * 1000.0
    }

    pub(super) fn pump(device: &wgpu::Device) {
        // A lost device shows in its callback.
        let _ = device.poll(wgpu::PollType::wait_indefinitely());
    }

    pub(super) fn write_chunk(_gpu: &super::Gpu, _buffer: &super::GpuBuffer, _chunk: &dyn std::any::Any) -> bool {
        false
    }
}

#[cfg(target_arch = "wasm32")]
mod platform {
    use js_sys::{Array, Function, Object, Promise, Reflect};
    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    use wasm_bindgen_futures::JsFuture;

    use super::{Capabilities, Error, ErrorKind, Result};
    use crate::weights::http::JsBytes;

    /// Limits asked for at the adapter's own maximum; everything else stays at WebGPU's defaults.
    const LIMITS: [&str; 4] = [
        "maxBufferSize",
        "maxStorageBufferBindingSize",
        "maxComputeWorkgroupStorageSize",
        "maxComputeInvocationsPerWorkgroup",
    ];

    fn get(object: &JsValue, key: &str) -> JsValue {
        Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
    }

    fn text(object: &JsValue, key: &str) -> String {
        get(object, key).as_string().unwrap_or_default()
    }

    fn missing(message: &str) -> Error {
        Error::new(ErrorKind::WebgpuMissing, message)
    }

    async fn call(object: &JsValue, method: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
        let function: Function = get(object, method).dyn_into()?;
        JsFuture::from(function.call1(object, argument)?.dyn_into::<Promise>()?).await
    }

    fn has_language_feature(gpu: &JsValue, name: &str) -> bool {
        let features = get(gpu, "wgslLanguageFeatures");
        let has: Result<Function, _> = get(&features, "has").dyn_into();
        has.and_then(|has| has.call1(&features, &name.into())).is_ok_and(|value| value.is_truthy())
    }

    pub(super) async fn open() -> Result<(wgpu::Device, wgpu::Queue, Capabilities)> {
        let global: JsValue = js_sys::global().into();
        let gpu = get(&get(&global, "navigator"), "gpu");
        if gpu.is_undefined() || gpu.is_null() {
            return Err(missing(if get(&global, "isSecureContext").as_bool() == Some(false) {
                "WebGPU needs a secure context: serve the page over https, or from localhost"
            } else {
                "this browser has no WebGPU: use a recent Chrome, Edge, Safari or Firefox"
            }));
        }
        let options = Object::new();
        let set = |object: &JsValue, key: &str, value: &JsValue| {
            Reflect::set(object, &key.into(), value).is_ok_and(|done| done)
        };
        set(&options, "powerPreference", &"high-performance".into());
        let no_adapter = || {
            Error::new(
                ErrorKind::AdapterMissing,
                "WebGPU is there but gives no adapter: the GPU may be blocklisted or hardware acceleration turned off",
            )
        };
        let adapter = call(&gpu, "requestAdapter", &options).await.map_err(|_| no_adapter())?;
        if adapter.is_null() || adapter.is_undefined() {
            return Err(no_adapter());
        }
        let info = get(&adapter, "info");
        let features: Function =
            get(&get(&adapter, "features"), "has").dyn_into().map_err(|_| missing("WebGPU without features"))?;
        let has =
            |name: &str| features.call1(&get(&adapter, "features"), &name.into()).is_ok_and(|value| value.is_truthy());
        let (subgroups, half_floats) = (has("subgroups"), has("shader-f16"));
        let required = Array::new();
        for name in [subgroups.then_some("subgroups"), half_floats.then_some("shader-f16")].into_iter().flatten() {
            required.push(&name.into());
        }
        let limits = Object::new();
        for limit in LIMITS {
            set(&limits, limit, &get(&get(&adapter, "limits"), limit));
        }
        let descriptor = Object::new();
        set(&descriptor, "label", &"doran".into());
        set(&descriptor, "requiredFeatures", &required);
        set(&descriptor, "requiredLimits", &limits);
        let raw_device = call(&adapter, "requestDevice", &descriptor).await.map_err(|_| no_adapter())?;
        let size = |name: &str| get(&info, name).as_f64().map(|size| size as u32);
        let limit = |name: &str| get(&get(&raw_device, "limits"), name).as_f64().unwrap_or_default() as u64;
        let fallback = get(&info, "isFallbackAdapter").is_truthy() || get(&adapter, "isFallbackAdapter").is_truthy();
        let capabilities = Capabilities {
            vendor: text(&info, "vendor"),
            architecture: text(&info, "architecture"),
            device: text(&info, "device"),
            description: text(&info, "description"),
            is_fallback: fallback || text(&info, "architecture") == "swiftshader",
            features: required.iter().filter_map(|feature| feature.as_string()).collect(),
            limits: LIMITS.iter().map(|name| ((*name).to_owned(), limit(name))).collect(),
            subgroups,
            subgroup_size: if subgroups && size("subgroupMinSize") == size("subgroupMaxSize") {
                size("subgroupMinSize")
            } else {
                None
            },
            packed_dot: has_language_feature(&gpu, "packed_4x8_integer_dot_product"),
            half_floats,
            max_binding_bytes: limit("maxStorageBufferBindingSize"),
            max_buffer_bytes: limit("maxBufferSize"),
        };
        let (device, queue) = adopt(&raw_device).await.ok_or_else(no_adapter)?;
        Ok((device, queue, capabilities))
    }

    /// Gives wgpu a device that JavaScript made: wgpu's own `requestDevice` call, which it makes synchronously, is
    /// answered with that device.
    async fn adopt(raw_device: &JsValue) -> Option<(wgpu::Device, wgpu::Queue)> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::BROWSER_WEBGPU;
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.ok()?;
        let prototype = get(&get(&js_sys::global().into(), "GPUAdapter"), "prototype");
        let original = get(&prototype, "requestDevice");
        let promise = Promise::resolve(raw_device);
        let answer = Closure::<dyn FnMut() -> Promise>::new(move || promise.clone());
        Reflect::set(&prototype, &"requestDevice".into(), answer.as_ref()).ok()?;
        let request = adapter.request_device(&wgpu::DeviceDescriptor { label: Some("doran"), ..Default::default() });
        let restored = Reflect::set(&prototype, &"requestDevice".into(), &original);
        let opened = request.await.ok()?;
        restored.ok()?;
        Some(opened)
    }

    pub(super) fn now_ms() -> f64 {
        let performance = get(&js_sys::global().into(), "performance");
        let now = get(&performance, "now").dyn_into::<Function>();
        now.ok().and_then(|now| now.call0(&performance).ok()).and_then(|ms| ms.as_f64()).unwrap_or_default()
    }

    pub(super) fn pump(_device: &wgpu::Device) {}

    /// `GPUQueue.writeBuffer` with the chunk's own `Uint8Array`. False if the chunk is none.
    pub(super) fn write_chunk(gpu: &super::Gpu, buffer: &super::GpuBuffer, chunk: &dyn std::any::Any) -> bool {
        let Some(JsBytes(bytes)) = chunk.downcast_ref::<JsBytes>() else { return false };
        let (Some(queue), Some(target)) = (gpu.queue.as_webgpu(), buffer.raw.as_webgpu()) else { return false };
        let (queue, target): (&JsValue, &JsValue) = (queue.as_ref(), target.as_ref());
        let Ok(write) = get(queue, "writeBuffer").dyn_into::<Function>() else { return false };
        // writeBuffer takes whole words; the last one of a file may be short.
        let whole = bytes.length() / 4 * 4;
        let body = bytes.subarray(0, whole);
        let arguments = Array::of3(target, &0.into(), &body);
        if write.apply(queue, &arguments).is_err() {
            return false;
        }
        if whole < bytes.length() {
            let mut tail = bytes.subarray(whole, bytes.length()).to_vec();
            tail.resize(4, 0);
            gpu.queue.write_buffer(&buffer.raw, u64::from(whole), &tail);
        }
        true
    }
}
