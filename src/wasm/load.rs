//! Loading, from JavaScript's arguments to an engine.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::adapters::Adapters;
use super::engine::Inner;
use super::js::{from_js, now_ms};
use super::options::{WireLoadOptions, hash_of};
use super::progress::Speed;
use super::recovery::{Losses, Origin, blame, none_left};
use super::source::{Opened, open_source};
use super::store::{stored_paths, web_store};
use super::tuning::Tunings;
use crate::engine::{Engine, EngineOptions, Stage};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;
use crate::gpu::device::GpuOptions;
use crate::quantize::{Quantize, QuantizedSource};
use crate::turn::Turns;
use crate::weights::http::WebSource;
use crate::weights::web_store::WebStore;
use crate::weights::{Cancel, LoadOptions, ModelFiles, Pause, Update, evict_oldest};

/// Options as they came.
pub(super) fn read_options(options: JsValue) -> Result<WireLoadOptions> {
    if options.is_undefined() { Ok(WireLoadOptions::default()) } else { from_js("options", options) }
}

/// Where the model is kept.
pub(super) async fn store_for(store: Option<bool>) -> Result<WebStore> {
    if store == Some(false) {
        return Ok(WebStore::memory("the model is not kept, as the caller asked"));
    }
    web_store().await
}

/// A model as it was loaded, with where it is.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) gpu: Option<Rc<Gpu>>,
    pub(super) name: String,
}

pub(super) async fn load(
    source: JsValue,
    options: JsValue,
    speed: Speed,
    pause: Pause,
    cancel: &Cancel,
) -> Result<Inner> {
    let options = read_options(options)?;
    let fetching = || Fetching { pause: pause.clone(), update: options.update() };
    let losses = Losses::default();
    let mut evicted = Vec::new();
    let mut loaded = loop {
        losses.pause().await;
        match open_engine(&source, &options, fetching(), |options| options, &speed, cancel).await {
            Ok(loaded) => break loaded,
            Err(error) if error.kind() == ErrorKind::Quota && options.evict == Some(true) => {
                let name = open_source(&source, options.name.clone(), options.quantize()?)?.name;
                match evict_oldest(&web_store().await?, &name, cancel).await? {
                    Some(name) => evicted.push(name),
                    None => return Err(error),
                }
            }
            Err(error) if losses.are_none() => losses.note(error)?,
            Err(error) => losses.note(none_left(error))?,
        }
    };
    for name in evicted {
        let warning = format!("there was no room: {name} was deleted from the browser's storage");
        loaded.engine.info.warnings.push(warning);
    }
    speed.tell("ready");
    let Loaded { engine: Engine { info, text, session, adaptable, tuning, .. }, gpu, name } = loaded;
    Ok(Inner {
        name,
        info,
        load_ms: now_ms() - speed.started_ms,
        text,
        capacity: session.capacity(),
        gpu: RefCell::new(gpu),
        decode_labels: session.backend().decode_labels(),
        tuning: tuning.map(|(_, tuning)| tuning),
        adapters: Adapters::new(adaptable),
        is_unloaded: Cell::new(false),
        session: RefCell::new(Some(session)),
        origin: Origin { source, options, on_progress: speed.on_progress },
        losses,
        turns: Turns::default(),
        running: RefCell::default(),
        speeds: Cell::default(),
    })
}

/// How a load goes to the network.
#[derive(Default)]
pub(super) struct Fetching {
    pub(super) pause: Pause,
    pub(super) update: Update,
}

/// Loads a model as `options` say, and `changed` changes them.
pub(super) async fn open_engine(
    source: &JsValue,
    options: &WireLoadOptions,
    Fetching { pause, update }: Fetching,
    changed: impl FnOnce(EngineOptions) -> EngineOptions,
    speed: &Speed,
    cancel: &Cancel,
) -> Result<Loaded> {
    speed.tell("header");
    let engine_options = options.engine()?;
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
    let tunings = match &gpu {
        Some(gpu) if options.chooses_kernels() => Some(Tunings::read(gpu.capabilities()).await),
        _ => None,
    };
    // What this model took the last time compiles while its header is read. Where that is not to be had, nothing is lost.
    let keeps_kernels = options.keeps_kernels();
    let kept = tunings.as_ref().filter(|_| keeps_kernels);
    let took = kept.map(|tunings| tunings.kernels(&opened.name)).unwrap_or_default();
    if let Some(gpu) = &gpu {
        let _ = gpu.start_compiling(&took);
    }
    let how = LoadOptions { sha256, pause, update, ..LoadOptions::default() };
    let (files, name, paths) = open_files(opened, quantize, (options.store, how), speed, cancel).await?;
    let on_stage = |stage| match stage {
        Stage::Bytes(progress) => speed.bytes(progress),
        Stage::Preparing => speed.tell("compile"),
    };
    let known_tuning = |formats: &str| tunings.as_ref()?.get(formats);
    let engine_options = changed(EngineOptions { paths, ..engine_options });
    let loaded = Engine::load(files, gpu.clone(), engine_options, &known_tuning, &on_stage, cancel).await;
    let engine = match (loaded, &gpu) {
        (Err(error), Some(gpu)) => return Err(blame(gpu, error).await),
        (loaded, _) => loaded?,
    };
    if let (Some(tunings), Some((formats, tuning))) = (&tunings, &engine.tuning) {
        let chosen = (!tuning.tried.is_empty()).then_some((formats.as_str(), tuning));
        let is_new = keeps_kernels && engine.kernels != took;
        let takes = is_new.then_some((name.as_str(), engine.kernels.as_slice()));
        tunings.keep(chosen, takes).await;
    }
    Ok(Loaded { engine, gpu, name })
}

/// Opens files, with the name that they are stored by and their paths.
pub(super) async fn open_files(
    opened: Opened,
    quantize: Option<Quantize>,
    (store, options): (Option<bool>, LoadOptions),
    speed: &Speed,
    cancel: &Cancel,
) -> Result<(ModelFiles<QuantizedSource<WebSource>, WebStore>, String, Vec<String>)> {
    let Opened { source, name, paths } = opened;
    let store = store_for(store).await?;
    let paths = if source.is_none() { stored_paths(&store, &name, quantize).await? } else { paths };
    let on_bytes = |progress| speed.bytes(progress);
    let files = ModelFiles::open(source, store, &name, options, &on_bytes, cancel).await?;
    Ok((files, name, paths))
}
