//! The store as JavaScript sees it: what is stored, removing it, room.

use std::cell::RefCell;

use js_sys::{Array, Function, Object, Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{AbortSignal, Blob, File};

use super::js::{AbortLink, to_js};
use super::progress::Speed;
use crate::error::{Error, ErrorKind, Result};
use crate::quantize::Quantize;
use crate::weights::http::JsBytes;
use crate::weights::indexed_db::DATABASE;
use crate::weights::web_store::WebStore;
use crate::weights::{Cancel, ChunkStore, check_model, delete_model, export_model, shared};

/// The lasting store, opened once; or, where the browser gives none, one that lasts as long as a load.
///
/// # Errors
/// `storage` where another tab, or another version of doran, keeps it from being opened.
pub(super) async fn web_store() -> Result<WebStore> {
    thread_local! {
        static OPENED: RefCell<Option<WebStore>> = const { RefCell::new(None) };
    }
    if let Some(store) = OPENED.with_borrow(Clone::clone) {
        return Ok(store);
    }
    let store = WebStore::open(DATABASE).await?;
    if matches!(store, WebStore::Indexed(_)) {
        OPENED.set(Some(store.clone()));
    }
    Ok(store)
}

/// The names of a stored model's files: the ends of their addresses.
///
/// # Errors
/// `bad_argument` if the model is to be quantised, and is not stored so.
pub(super) async fn stored_paths(store: &WebStore, name: &str, quantize: Option<Quantize>) -> Result<Vec<String>> {
    let files = store.manifest(name).await?.map(|manifest| manifest.files).unwrap_or_default();
    if let Some(quantize) = quantize
        && !files.is_empty()
        && !files.iter().any(|file| quantize.is_in(&file.url))
    {
        let message =
            format!("{name:?} is not stored in {}; leave `quantize` out, or give its source", quantize.name());
        return Err(Error::bad_argument("quantize", message));
    }
    Ok(files.iter().map(|file| file_name(&file.url)).collect())
}

/// The end of a file's address.
fn file_name(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or(url);
    plain.rsplit(['/', ':']).next().unwrap_or(plain).to_owned()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireStored {
    name: String,
    total_bytes: u64,
    stored_bytes: u64,
    complete: bool,
    url: Option<String>,
    last_used: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_at: Option<f64>,
    shared_bytes: u64,
    shared_with: Vec<String>,
}

/// The models in the store, complete or not.
#[wasm_bindgen(js_name = listModels)]
pub fn list_models() -> Promise {
    future_to_promise(async {
        let manifests = web_store().await?.list().await?;
        let models = Array::new();
        let common = shared(&manifests);
        for (manifest, common) in manifests.into_iter().zip(common) {
            models.push(&to_js(&WireStored {
                total_bytes: manifest.total_bytes(),
                stored_bytes: manifest.stored_bytes(),
                complete: manifest.complete,
                url: manifest.files.first().map(|file| file.url.clone()),
                last_used: manifest.last_used_ms,
                // Of a model that is not whole any more, nothing is promised.
                verified_at: manifest.verified_ms.filter(|_| manifest.complete),
                shared_bytes: common.bytes,
                shared_with: common.with,
                name: manifest.model,
            })?);
        }
        Ok(models.into())
    })
}

/// Removes a stored model.
#[wasm_bindgen(js_name = deleteModel)]
pub fn delete_stored_model(name: String) -> Promise {
    future_to_promise(async move {
        let store = web_store().await?;
        // One that a newer version stored cannot be read, but be removed.
        if matches!(store.manifest(&name).await, Ok(None)) {
            let message = format!("no stored model is called {name:?}");
            return Err(Error::new(ErrorKind::NotFound, message).with("name", name).into());
        }
        delete_model(&store, &name, &Cancel::new()).await?;
        Ok(JsValue::UNDEFINED)
    })
}

/// Reads a stored model and holds it against its hashes. `on_progress` is told how far it is.
#[wasm_bindgen(js_name = verifyModel)]
pub fn verify_stored_model(name: String, on_progress: Function, signal: Option<AbortSignal>) -> Promise {
    future_to_promise(async move {
        let cancel = Cancel::new();
        let link = AbortLink::new(signal, &cancel);
        let speed = Speed::new(on_progress);
        let store = web_store().await?;
        let checked = check_model(&store, &name, &|progress| speed.bytes(progress), &cancel).await;
        drop(link);
        let checked = checked?;
        let result = Object::new();
        Reflect::set(&result, &"chunks".into(), &JsValue::from(checked.chunks as f64))?;
        Reflect::set(&result, &"bytes".into(), &JsValue::from(checked.bytes as f64))?;
        Reflect::set(&result, &"damaged".into(), &JsValue::from(checked.damaged as f64))?;
        Ok(result.into())
    })
}

/// A stored model's files as they came, as `File`s. `on_progress` is told how far it is.
#[wasm_bindgen(js_name = exportModel)]
pub fn export_stored_model(name: String, on_progress: Function, signal: Option<AbortSignal>) -> Promise {
    future_to_promise(async move {
        let cancel = Cancel::new();
        let link = AbortLink::new(signal, &cancel);
        let speed = Speed::new(on_progress);
        let store = web_store().await?;
        let manifest = store.manifest(&name).await?;
        if manifest.is_some_and(|manifest| manifest.files.iter().any(|file| Quantize::is_in_any(&file.url))) {
            let message = format!(
                "{name:?} was quantised when it arrived, and is stored in a form that only doran reads; download the original from its address"
            );
            return Err(Error::unsupported("export of a model that was quantised on arrival", message).into());
        }
        // A blob is the browser's to keep: what is in this heap is one chunk.
        let mut parts: Vec<Array> = Vec::new();
        let mut take = |file: usize, bytes: JsBytes| {
            let blob = Blob::new_with_u8_array_sequence(&Array::of1(&bytes.0));
            let blob = blob.map_err(|_| Error::new(ErrorKind::Storage, "the browser has no room for a copy"))?;
            parts.resize_with(parts.len().max(file + 1), Array::new);
            parts[file].push(&blob);
            Ok(())
        };
        let exported = export_model(&store, &name, &mut take, &|progress| speed.bytes(progress), &cancel).await;
        drop(link);
        let urls = exported?;
        parts.resize_with(urls.len(), Array::new);
        let files = Array::new();
        for (url, parts) in urls.iter().zip(&parts) {
            files.push(File::new_with_blob_sequence(parts, &file_name(url))?.as_ref());
        }
        Ok(files.into())
    })
}

/// Bytes in use and allowed, as the browser tells.
#[wasm_bindgen(js_name = storageEstimate)]
pub fn storage_estimate() -> Promise {
    future_to_promise(async {
        let usage = web_store().await?.usage().await?;
        let estimate = Object::new();
        let bytes = |n: Option<u64>| JsValue::from(n.unwrap_or(0) as f64);
        Reflect::set(&estimate, &"usageBytes".into(), &bytes(usage.used_bytes))?;
        Reflect::set(&estimate, &"quotaBytes".into(), &bytes(usage.quota_bytes))?;
        Ok(estimate.into())
    })
}
