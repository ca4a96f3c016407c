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
use super::source::open_source;
use crate::adapter::{AdapterBase, AdapterInfo};
use crate::backend::Adapter;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{AdapterUse, Session};
use crate::weights::Cancel;

/// The adapters that are loaded.
pub(super) struct Adapters {
    base: Result<Rc<AdapterBase>>,
    loaded: RefCell<BTreeMap<u32, Rc<Adapter>>>,
    last: Cell<u32>,
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
        Self { base, loaded: RefCell::default(), last: Cell::new(0) }
    }

    /// Those that a request names; one without a scale counts as it was trained.
    pub(super) fn named(&self, uses: &[WireAdapterUse]) -> Result<Vec<AdapterUse>> {
        let loaded = self.loaded.borrow();
        let gone = || Error::new(ErrorKind::Unloaded, "the adapter was unloaded; load it again");
        let named = |wire: &WireAdapterUse| {
            let adapter = Rc::clone(loaded.get(&wire.id).ok_or_else(gone)?);
            Ok(AdapterUse { adapter, scale: wire.scale.unwrap_or(1.0) })
        };
        uses.iter().map(named).collect()
    }

    /// The same, as JavaScript has them; nothing is none.
    pub(super) fn read(&self, uses: JsValue) -> Result<Vec<AdapterUse>> {
        if uses.is_undefined() {
            return Ok(Vec::new());
        }
        self.named(&from_js::<Vec<WireAdapterUse>>("adapters", uses)?)
    }

    /// Frees all.
    pub(super) fn unload(&self) {
        for adapter in std::mem::take(&mut *self.loaded.borrow_mut()).values() {
            adapter.unload();
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
            let loaded = load(&inner, &source, options, &speed, &cancel).await;
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
            if let Some(adapter) = adapter {
                let _turn = inner.turns.take().await;
                if inner.session.borrow().is_some() {
                    let forget = async |session: &mut Session| {
                        session.forget_adapter(&adapter);
                        Ok(())
                    };
                    inner.with_session(forget).await?;
                }
                adapter.unload();
            }
            Ok(JsValue::UNDEFINED)
        })
    }
}

async fn load(
    inner: &Inner,
    source: &JsValue,
    options: JsValue,
    speed: &Speed,
    cancel: &Cancel,
) -> Result<WireAdapter> {
    let base = inner.adapters.base.clone()?;
    speed.tell("header");
    let options: WireAdapterOptions =
        if options.is_undefined() { WireAdapterOptions::default() } else { from_js("options", options)? };
    let opened = open_source(source, options.name, None)?;
    let sha256 = hash_of(options.sha256.as_deref())?;
    let (files, name, paths) = open_files(opened, (sha256, None), options.store, speed, cancel).await?;
    let (adapter, info) = base.load(files, &paths, &|progress| speed.bytes(progress), cancel).await?;
    if inner.is_unloaded.get() {
        adapter.unload();
        return Err(unloaded());
    }
    let id = inner.adapters.last.get() + 1;
    inner.adapters.last.set(id);
    inner.adapters.loaded.borrow_mut().insert(id, adapter);
    speed.tell("ready");
    Ok(WireAdapter { id, name, info })
}
