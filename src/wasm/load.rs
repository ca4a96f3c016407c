//! Loading, from JavaScript's arguments to an engine.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::engine::Inner;
use super::js::{from_js, now_ms};
use super::options::WireLoadOptions;
use super::progress::Speed;
use super::source::{Opened, open_source};
use super::store::{stored_paths, web_store};
use super::tuning::Tunings;
use crate::engine::{Engine, EngineOptions, Stage};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::device::GpuOptions;
use crate::ops::KvFormat;
use crate::tune::{Kernels, Precision};
use crate::turn::Turns;
use crate::weights::indexed_db::WebStore;
use crate::weights::manifest::unhex;
use crate::weights::plan::DEFAULT_CHUNK_BYTES;
use crate::weights::{Cancel, LoadOptions, ModelFiles};

pub(super) async fn load(source: &JsValue, options: JsValue, speed: &Speed, cancel: &Cancel) -> Result<Inner> {
    speed.tell("header");
    let options: WireLoadOptions =
        if options.is_undefined() { WireLoadOptions::default() } else { from_js("options", options)? };
    let Opened { source, name, paths } = open_source(source, options.name)?;
    let sha256 = match &options.sha256 {
        Some(text) => {
            let hash = unhex(text);
            let hash = hash.ok_or_else(|| Error::bad_argument("sha256", "sha256 must be 64 hexadecimal digits"))?;
            vec![Some(hash)]
        }
        None => Vec::new(),
    };
    let gpu = match options.backend.as_deref() {
        None | Some("webgpu") => Some(Rc::new(Gpu::open(GpuOptions::default()).await?)),
        Some("reference") => None,
        Some(other) => return Err(Error::bad_argument("backend", format!("there is no backend {other:?}"))),
    };
    let kv = match options.kv_cache.as_deref() {
        None | Some("auto") => None,
        Some("f32") => Some(KvFormat::F32),
        Some("f16") => Some(KvFormat::F16),
        Some(other) => return Err(Error::bad_argument("kvCache", format!("there is no KV cache in {other:?}"))),
    };
    let kernels = match options.kernels.as_deref() {
        None => None,
        Some(name) => Some(
            Kernels::named(name)
                .ok_or_else(|| Error::bad_argument("kernels", format!("there are no kernels {name:?}")))?,
        ),
    };
    let precision = match options.precision.as_deref() {
        None => Precision::Exact,
        Some(name) => Precision::named(name).ok_or_else(|| {
            Error::bad_argument("precision", format!("precision is \"exact\" or \"fast\", not {name:?}"))
        })?,
    };
    let store = if options.store == Some(false) {
        WebStore::memory("the model is not kept, as the caller asked")
    } else {
        web_store().await
    };
    let paths = if source.is_none() { stored_paths(&store, &name).await? } else { paths };
    let on_bytes = |progress| speed.bytes(progress);
    let load_options = LoadOptions { sha256, chunk_bytes: DEFAULT_CHUNK_BYTES };
    let files = ModelFiles::open(source, store, &name, load_options, &on_bytes, cancel).await?;
    let on_stage = |stage| match stage {
        Stage::Bytes(progress) => speed.bytes(progress),
        Stage::Preparing => speed.tell("compile"),
    };
    let adapter = gpu.as_ref().map(|gpu| gpu.capabilities().clone());
    let tunings = match &adapter {
        Some(adapter) if kernels.is_none() => Some(Tunings::read(adapter).await),
        _ => None,
    };
    let known_tuning = |formats: &str| tunings.as_ref()?.get(formats);
    let engine_options = EngineOptions {
        paths,
        context: options.context,
        chat_template: options.chat_template,
        run_ahead: options.run_ahead,
        kernels,
        precision,
        kv,
        chunk_bytes: DEFAULT_CHUNK_BYTES,
    };
    let Engine { info, text, session, tuning } =
        Engine::load(files, gpu.clone(), engine_options, &known_tuning, &on_stage, cancel).await?;
    if let (Some(tunings), Some((formats, tuning))) = (&tunings, &tuning)
        && !tuning.tried.is_empty()
    {
        tunings.keep(formats, tuning).await;
    }
    speed.tell("ready");
    Ok(Inner {
        name,
        info,
        load_ms: now_ms() - speed.started_ms,
        text,
        capacity: session.capacity(),
        gpu,
        decode_labels: session.backend().decode_labels(),
        tuning: tuning.map(|(_, tuning)| tuning),
        session: RefCell::new(Some(session)),
        turns: Turns::default(),
        running: RefCell::default(),
        speeds: Cell::default(),
    })
}
