//! Loading, from JavaScript's arguments to an engine.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::adapters::Adapters;
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
use crate::quantize::{Quantize, QuantizedSource};
use crate::tune::{Kernels, Precision, Role};
use crate::turn::Turns;
use crate::weights::http::WebSource;
use crate::weights::indexed_db::WebStore;
use crate::weights::manifest::unhex;
use crate::weights::plan::DEFAULT_CHUNK_BYTES;
use crate::weights::{Cancel, LoadOptions, ModelFiles};

/// Options as they came.
pub(super) fn read_options(options: JsValue) -> Result<WireLoadOptions> {
    if options.is_undefined() { Ok(WireLoadOptions::default()) } else { from_js("options", options) }
}

/// Where the model is kept.
pub(super) async fn store_for(store: Option<bool>) -> WebStore {
    if store == Some(false) {
        return WebStore::memory("the model is not kept, as the caller asked");
    }
    web_store().await
}

/// What the engine reads of them; the paths come with the source.
pub(super) fn engine_options(options: &WireLoadOptions) -> Result<EngineOptions> {
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
    let forced = |(role, variant): (&String, &String)| match Role::named(role) {
        // The option `kernels` has that one.
        Some(Role::Matvec) | None => {
            let message =
                format!("there is no choice of variants for {role:?}, but for matmul, splits, queries and norm");
            Err(Error::bad_argument("variants", message))
        }
        Some(role) => Ok((role, variant.clone())),
    };
    let variants = options.variants.iter().map(forced).collect::<Result<_>>()?;
    let precision = match options.precision.as_deref() {
        None => Precision::Exact,
        Some(name) => Precision::named(name).ok_or_else(|| {
            Error::bad_argument("precision", format!("precision is \"exact\" or \"fast\", not {name:?}"))
        })?,
    };
    let steps_down = match options.fit.as_deref() {
        None => false,
        Some("auto") => true,
        Some(other) => return Err(Error::bad_argument("fit", format!("there is no way to fit {other:?}"))),
    };
    Ok(EngineOptions {
        paths: Vec::new(),
        context: options.context,
        chat_template: options.chat_template.clone(),
        run_ahead: options.run_ahead,
        kernels,
        variants,
        precision,
        kv,
        chunk_bytes: DEFAULT_CHUNK_BYTES,
        steps_down,
    })
}

pub(super) async fn load(source: &JsValue, options: JsValue, speed: &Speed, cancel: &Cancel) -> Result<Inner> {
    speed.tell("header");
    let options = read_options(options)?;
    let engine_options = engine_options(&options)?;
    let quantize = options.quantize()?;
    if quantize.is_some() && options.sha256.is_some() {
        let message = "what is stored of a quantised model is no published file; leave out `sha256` or `quantize`";
        return Err(Error::bad_argument("sha256", message));
    }
    let opened = open_source(source, options.name.clone(), quantize)?;
    let sha256 = hash_of(options.sha256.as_deref())?;
    let gpu = match options.backend.as_deref() {
        None | Some("webgpu") => Some(Rc::new(Gpu::open(GpuOptions::default()).await?)),
        Some("reference") => None,
        Some(other) => return Err(Error::bad_argument("backend", format!("there is no backend {other:?}"))),
    };
    let (files, name, paths) = open_files(opened, (sha256, quantize), options.store, speed, cancel).await?;
    let on_stage = |stage| match stage {
        Stage::Bytes(progress) => speed.bytes(progress),
        Stage::Preparing => speed.tell("compile"),
    };
    let adapter = gpu.as_ref().map(|gpu| gpu.capabilities().clone());
    let tunings = match &adapter {
        Some(adapter) if options.chooses_kernels() => Some(Tunings::read(adapter).await),
        _ => None,
    };
    let known_tuning = |formats: &str| tunings.as_ref()?.get(formats);
    let engine_options = EngineOptions { paths, ..engine_options };
    let Engine { info, text, session, adaptable, tuning } =
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
        adapters: Adapters::new(adaptable),
        is_unloaded: Cell::new(false),
        session: RefCell::new(Some(session)),
        turns: Turns::default(),
        running: RefCell::default(),
        speeds: Cell::default(),
    })
}

/// A stated hash.
pub(super) fn hash_of(sha256: Option<&str>) -> Result<Vec<Option<[u8; 32]>>> {
    let hash = |text| unhex(text).ok_or_else(|| Error::bad_argument("sha256", "sha256 must be 64 hexadecimal digits"));
    sha256.map(|text| hash(text).map(Some)).into_iter().collect()
}

/// Opens files, with the name that they are stored by and their paths.
pub(super) async fn open_files(
    opened: Opened,
    (sha256, quantize): (Vec<Option<[u8; 32]>>, Option<Quantize>),
    store: Option<bool>,
    speed: &Speed,
    cancel: &Cancel,
) -> Result<(ModelFiles<QuantizedSource<WebSource>, WebStore>, String, Vec<String>)> {
    let Opened { source, name, paths } = opened;
    let store = store_for(store).await;
    let paths = if source.is_none() { stored_paths(&store, &name, quantize).await? } else { paths };
    let on_bytes = |progress| speed.bytes(progress);
    let options = LoadOptions { sha256, chunk_bytes: DEFAULT_CHUNK_BYTES };
    let files = ModelFiles::open(source, store, &name, options, &on_bytes, cancel).await?;
    Ok((files, name, paths))
}
