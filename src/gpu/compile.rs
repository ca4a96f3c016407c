//! Compiling kernels without holding anything up. wgpu creates pipelines synchronously, which makes a browser's GPU process
//! compile one after the other between its other work; browsers also offer `createComputePipelineAsync`, which compiles many
//! at once beside it. So on the web a pipeline is created by that call, from the descriptor that wgpu makes, and handed back
//! when wgpu creates it again.

/// Creates a pipeline; `create` may be called twice.
#[cfg(not(target_arch = "wasm32"))]
pub(super) async fn compile(
    _device: &wgpu::Device,
    create: &dyn Fn() -> wgpu::ComputePipeline,
) -> crate::error::Result<wgpu::ComputePipeline> {
    Ok(create())
}

#[cfg(target_arch = "wasm32")]
pub(super) use web::compile;

#[cfg(target_arch = "wasm32")]
mod web {
    use std::cell::RefCell;
    use std::rc::Rc;

    use js_sys::{Function, Object, Promise, Reflect};
    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    use wasm_bindgen_futures::JsFuture;

    use crate::error::{Error, ErrorKind, Result};

    /// The method that wgpu calls.
    const SYNC: &str = "createComputePipeline";

    /// Answers wgpu's call of [`SYNC`] by `answer` while `create` runs.
    fn intercepted(
        device: &JsValue,
        answer: impl FnMut(JsValue) -> JsValue + 'static,
        create: &dyn Fn() -> wgpu::ComputePipeline,
    ) -> Option<wgpu::ComputePipeline> {
        let answer = Closure::<dyn FnMut(JsValue) -> JsValue>::new(answer);
        let own = Reflect::set(device, &SYNC.into(), answer.as_ref()).ok()?;
        let pipeline = own.then(create);
        // What stands on the prototype comes to light again.
        Reflect::delete_property(device.unchecked_ref::<Object>(), &SYNC.into()).ok()?;
        pipeline
    }

    pub(in crate::gpu) async fn compile(
        device: &wgpu::Device,
        create: &dyn Fn() -> wgpu::ComputePipeline,
    ) -> Result<wgpu::ComputePipeline> {
        let raw: JsValue = match device.as_webgpu() {
            Some(device) => device.clone().into(),
            None => return Ok(create()),
        };
        let Ok(method) = Reflect::get(&raw, &"createComputePipelineAsync".into()) else { return Ok(create()) };
        let Ok(method) = method.dyn_into::<Function>() else { return Ok(create()) };
        let descriptor = Rc::new(RefCell::new(JsValue::UNDEFINED));
        let seen = Rc::clone(&descriptor);
        let capture = move |given: JsValue| {
            seen.replace(given);
            Object::new().into()
        };
        if intercepted(&raw, capture, create).is_none() {
            return Ok(create());
        }
        let failed = |error: JsValue| {
            let message = Reflect::get(&error, &"message".into()).ok().and_then(|message| message.as_string());
            Error::new(ErrorKind::Gpu, format!("a kernel does not compile: {}", message.unwrap_or_default()))
        };
        let promise = method.call1(&raw, &descriptor.borrow()).map_err(failed)?;
        let compiled = JsFuture::from(promise.unchecked_into::<Promise>()).await.map_err(failed)?;
        Ok(intercepted(&raw, move |_| compiled.clone(), create).unwrap_or_else(create))
    }
}
