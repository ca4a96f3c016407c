//! Compiling kernels without holding anything up. wgpu creates pipelines synchronously, which makes a browser's GPU process
//! compile one after the other between its other work; browsers also offer `createComputePipelineAsync`, which compiles many
//! at once beside it. So on the web a pipeline is created by that call, from the descriptor that wgpu makes, and handed back
//! when wgpu creates it again.

pub(super) use platform::{Compiling, start};

#[cfg(not(target_arch = "wasm32"))]
mod platform {
    /// A pipeline that is being compiled; natively, one that is.
    #[derive(Debug)]
    pub(in crate::gpu) struct Compiling(wgpu::ComputePipeline);

    /// Creates a pipeline.
    pub(in crate::gpu) fn start(
        _device: &wgpu::Device,
        create: &dyn Fn() -> wgpu::ComputePipeline,
    ) -> Result<Compiling, String> {
        Ok(Compiling(create()))
    }

    impl Compiling {
        pub(in crate::gpu) async fn finish(
            &self,
            _device: &wgpu::Device,
            _create: &dyn Fn() -> wgpu::ComputePipeline,
        ) -> Result<wgpu::ComputePipeline, String> {
            Ok(self.0.clone())
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod platform {
    use std::cell::RefCell;
    use std::rc::Rc;

    use js_sys::{Function, Object, Promise, Reflect};
    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    use wasm_bindgen_futures::JsFuture;

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

    /// A pipeline that is being compiled, or none where the browser cannot beside its other work.
    #[derive(Debug)]
    pub(in crate::gpu) struct Compiling(Option<Promise>);

    fn failed(error: JsValue) -> String {
        Reflect::get(&error, &"message".into()).ok().and_then(|message| message.as_string()).unwrap_or_default()
    }

    fn raw(device: &wgpu::Device) -> Option<JsValue> {
        device.as_webgpu().map(|device| device.clone().into())
    }

    /// Starts compiling what `create` creates, or says why that is not possible.
    pub(in crate::gpu) fn start(
        device: &wgpu::Device,
        create: &dyn Fn() -> wgpu::ComputePipeline,
    ) -> Result<Compiling, String> {
        let method = |raw: &JsValue| Reflect::get(raw, &"createComputePipelineAsync".into()).ok()?.dyn_into().ok();
        let Some((raw, method)) = raw(device).and_then(|raw| method(&raw).map(|method: Function| (raw, method))) else {
            return Ok(Compiling(None));
        };
        let descriptor = Rc::new(RefCell::new(JsValue::UNDEFINED));
        let seen = Rc::clone(&descriptor);
        let capture = move |given: JsValue| {
            seen.replace(given);
            Object::new().into()
        };
        if intercepted(&raw, capture, create).is_none() {
            return Ok(Compiling(None));
        }
        let promise: Option<Promise> = method.call1(&raw, &descriptor.borrow()).map_err(failed)?.dyn_into().ok();
        if let Some(promise) = &promise {
            // Nobody may come to wait for it; then its failure is no unhandled rejection.
            let _ = Promise::all_settled(&js_sys::Array::of1(promise));
        }
        Ok(Compiling(promise))
    }

    impl Compiling {
        /// The pipeline, once it is compiled, or why it is not; `create` creates what it was started with.
        pub(in crate::gpu) async fn finish(
            &self,
            device: &wgpu::Device,
            create: &dyn Fn() -> wgpu::ComputePipeline,
        ) -> Result<wgpu::ComputePipeline, String> {
            let (Some(promise), Some(raw)) = (&self.0, raw(device)) else { return Ok(create()) };
            let compiled = JsFuture::from(promise.clone()).await.map_err(failed)?;
            Ok(intercepted(&raw, move |_| compiled.clone(), create).unwrap_or_else(create))
        }
    }
}
