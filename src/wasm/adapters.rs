//! A model's LoRA adapters as JavaScript sees them: by number.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::{Function, Promise};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use super::engine::{Inner, WasmEngine, unloaded};
use super::js::{AbortLink, from_js, to_js};
use super::load::open_files;
use super::options::{WireAdapterOptions, WireAdapterUse, hash_of};
use super::progress::Speed;
use super::recovery::blame;
use super::source::open_source;
use crate::adapter::{AdapterBase, AdapterInfo};
use crate::backend::Adapter;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{AdapterUse, Session};
use crate::weights::{Cancel, LoadOptions, Update};

/// The adapters that are loaded.
pub(super) struct Adapters {
    base: RefCell<Result<Rc<AdapterBase>>>,
    loaded: RefCell<BTreeMap<u32, Loaded>>,
    last: Cell<u32>,
}

/// An adapter, and how it came.
struct Loaded {
    adapter: Rc<Adapter>,
    source: JsValue,
    options: WireAdapterOptions,
}

#[derive(Serialize)]
struct WireAdapter {
    id: u32,
    name: String,
    #[serde(flatten)]
    info: AdapterInfo,
}

impl Adapters {
    pub(super) fn new(base: Result<Rc<AdapterBase>>) -> Self {
        Self { base: RefCell::new(base), loaded: RefCell::default(), last: Cell::new(0) }
    }

    /// Those that a request names; one without a scale counts as it was trained.
    pub(super) fn named(&self, uses: &[WireAdapterUse]) -> Result<Vec<AdapterUse>> {
        let loaded = self.loaded.borrow();
        let gone = || Error::new(ErrorKind::Unloaded, "the adapter was unloaded; load it again");
        let named = |wire: &WireAdapterUse| {
            let adapter = Rc::clone(&loaded.get(&wire.id).ok_or_else(gone)?.adapter);
            Ok(AdapterUse { adapter, scale: wire.scale.unwrap_or(1.0) })
        };
        uses.iter().map(named).collect()
    }

    /// Loads them again, for the same model on another GPU.
    pub(super) async fn rebuild(&self, base: Result<Rc<AdapterBase>>, cancel: &Cancel) -> Result<()> {
        let ids: Vec<u32> = self.loaded.borrow().keys().copied().collect();
        for id in ids {
            let base = base.clone()?;
            let origin = self.loaded.borrow().get(&id).map(|one| (one.source.clone(), one.options.clone()));
            let Some((source, options)) = origin else { continue };
            let (adapter, ..) = open(&base, &source, &options, Update::Never, &Speed::silent(), cancel).await?;
            // It may have been unloaded meanwhile.
            match self.loaded.borrow_mut().get_mut(&id) {
                Some(one) => one.adapter = adapter,
                None => adapter.unload(),
            }
        }
        *self.base.borrow_mut() = base;
        Ok(())
    }

    /// Frees all.
    pub(super) fn unload(&self) {
        for one in std::mem::take(&mut *self.loaded.borrow_mut()).values() {
            one.adapter.unload();
        }
    }
}

#[wasm_bindgen]
impl WasmEngine {
    /// Loads an adapter; answers go on meanwhile. See `pkg/src/wasm.d.ts` for the shapes.
    #[wasm_bindgen(js_name = loadAdapter)]
    pub fn load_adapter(
        &self,
        source: JsValue,
        options: JsValue,
        on_progress: Function,
        signal: Option<AbortSignal>,
    ) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let speed = Speed::new(on_progress);
            let cancel = Cancel::new();
            let link = AbortLink::new(signal, &cancel);
            let recoveries = inner.losses.recoveries();
            let mut loaded = load(&inner, &source, &options, &speed, &cancel).await;
            if let Err(lost) = &loaded
                && lost.kind() == ErrorKind::DeviceLost
            {
                loaded = match inner.recover(recoveries, lost.clone(), &cancel).await {
                    Ok(()) => load(&inner, &source, &options, &speed, &cancel).await,
                    Err(error) => Err(error),
                };
            }
            drop(link);
            Ok(to_js(&loaded?)?)
        })
    }

    /// Frees an adapter, once answers that use it have ended.
    #[wasm_bindgen(js_name = unloadAdapter)]
    pub fn unload_adapter(&self, id: u32) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            let adapter = inner.adapters.loaded.borrow_mut().remove(&id);
            if let Some(Loaded { adapter, .. }) = adapter {
                let _turn = inner.turns.take().await;
                if inner.session.borrow().is_some() {
                    let forget = async |session: &mut Session| {
                        session.forget_adapter(&adapter);
                        Ok(())
                    };
                    inner.with_session(&Cancel::new(), forget).await?;
                }
                adapter.unload();
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

/// Those that a request names, as JavaScript has them; nothing is none.
pub(super) fn wire_uses(uses: JsValue) -> Result<Vec<WireAdapterUse>> {
    if uses.is_undefined() { Ok(Vec::new()) } else { from_js("adapters", uses) }
}

async fn load(
    inner: &Inner,
    source: &JsValue,
    options: &JsValue,
    speed: &Speed,
    cancel: &Cancel,
) -> Result<WireAdapter> {
    let base = inner.adapters.base.borrow().clone()?;
    let options: WireAdapterOptions =
        if options.is_undefined() { WireAdapterOptions::default() } else { from_js("options", options.clone())? };
    let gpu = inner.gpu.borrow().clone();
    let (adapter, info, name) = match (open(&base, source, &options, Update::Notice, speed, cancel).await, gpu) {
        (Err(error), Some(gpu)) => return Err(blame(&gpu, error).await),
        (opened, _) => opened?,
    };
    if inner.is_unloaded.get() {
        adapter.unload();
        return Err(unloaded());
    }
    let id = inner.adapters.last.get() + 1;
    inner.adapters.last.set(id);
    inner.adapters.loaded.borrow_mut().insert(id, Loaded { adapter, source: source.clone(), options });
    speed.tell("ready");
    Ok(WireAdapter { id, name, info })
}

/// Opens an adapter's files and loads it, with the name that it is stored by.
async fn open(
    base: &AdapterBase,
    source: &JsValue,
    options: &WireAdapterOptions,
    update: Update,
    speed: &Speed,
    cancel: &Cancel,
) -> Result<(Rc<Adapter>, AdapterInfo, String)> {
    speed.tell("header");
    let opened = open_source(source, options.name.clone(), None)?;
    let sha256 = hash_of(options.sha256.as_deref())?;
    let how = LoadOptions { sha256, update, ..LoadOptions::default() };
    let (files, name, paths) = open_files(opened, None, (options.store, how), speed, cancel).await?;
    let (adapter, info) = base.load(files, &paths, &|progress| speed.bytes(progress), cancel).await?;
    Ok((adapter, info, name))
}
