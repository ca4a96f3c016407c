//! Looking at a model, from JavaScript's arguments to what is said of it.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use super::js::{AbortLink, to_js};
use super::load::{read_options, store_for};
use super::source::{Opened, open_source};
use super::store::stored_paths;
use super::tuning::Tunings;
use crate::engine::EngineOptions;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::gpu::device::GpuOptions;
use crate::inspect::{Inspection, inspect};
use crate::weights::{Cancel, LoadOptions, ModelFiles};

/// What a model is and whether it fits, from its headers. See `pkg/src/wasm.d.ts` for the shapes.
#[wasm_bindgen(js_name = inspectModel)]
pub fn inspect_model(source: JsValue, options: JsValue, signal: Option<AbortSignal>) -> Promise {
    future_to_promise(async move {
        let cancel = Cancel::new();
        let link = AbortLink::new(signal, &cancel);
        let inspection = cancel.race(look(&source, options, &cancel)).await;
        drop(link);
        Ok(to_js(&inspection?)?)
    })
}

async fn look(source: &JsValue, options: JsValue, cancel: &Cancel) -> Result<Inspection> {
    let options = read_options(options)?;
    let engine_options = options.engine()?;
    let quantize = options.quantize()?;
    let Opened { source, name, paths } = open_source(source, options.name.clone(), quantize)?;
    let store = store_for(options.store).await?;
    let paths = if source.is_none() { stored_paths(&store, &name, quantize).await? } else { paths };
    let gpu = Gpu::open(GpuOptions::default()).await;
    let tunings = match &gpu {
        Ok(gpu) if options.chooses_kernels() => Some(Tunings::read(gpu.capabilities()).await),
        _ => None,
    };
    let known_tuning = |formats: &str| tunings.as_ref()?.get(formats);
    let files = ModelFiles::peek(source, store, &name, LoadOptions::default(), cancel).await?;
    let gpu = gpu.as_ref().map_err(Clone::clone);
    inspect(files, gpu, &EngineOptions { paths, ..engine_options }, &known_tuning).await
}
