//! The kernels that were chosen on this device, kept from load to load: one document a device, browser and version of doran,
//! in the browser's cache storage. Where there is none, each load chooses anew.

use std::collections::BTreeMap;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::js::field;
use crate::gpu::Capabilities;
use crate::tune::Tuning;

const CACHE: &str = "doran.tuning";

/// Choices by the formats of a model's matrices.
pub(super) type Tunings = BTreeMap<String, Tuning>;

/// What the choice depends on, as an address: it is never fetched.
fn address(adapter: &Capabilities) -> String {
    let browser = field(&js_sys::global(), "navigator").and_then(|navigator| field(&navigator, "userAgent"));
    let parts = [
        env!("CARGO_PKG_VERSION").to_owned(),
        adapter.vendor.clone(),
        adapter.architecture.clone(),
        adapter.device.clone(),
        adapter.description.clone(),
        browser.and_then(|agent| agent.as_string()).unwrap_or_default(),
    ];
    let parts = parts.map(|part| String::from(js_sys::encode_uri_component(&part)));
    format!("https://tuning.doran.invalid/{}", parts.join("/"))
}

async fn call(object: &JsValue, method: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let function: Function = Reflect::get(object, &method.into()).ok()?.dyn_into().ok()?;
    let promise = function.apply(object, &arguments.iter().cloned().collect()).ok()?;
    JsFuture::from(promise.dyn_into::<Promise>().ok()?).await.ok()
}

async fn open() -> Option<JsValue> {
    let caches = field(&js_sys::global(), "caches")?;
    call(&caches, "open", &[CACHE.into()]).await
}

/// What was chosen on this device before; nothing where it cannot be read.
pub(super) async fn read(adapter: &Capabilities) -> Tunings {
    let text = async {
        let response = call(&open().await?, "match", &[address(adapter).into()]).await?;
        call(&response, "text", &[]).await?.as_string()
    };
    text.await.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Keeps what was chosen. A browser that refuses costs the next load the time to choose again, and nothing else.
pub(super) async fn write(adapter: &Capabilities, tunings: &Tunings) {
    let Ok(text) = serde_json::to_string(tunings) else { return };
    let Some(cache) = open().await else { return };
    if let Ok(response) = web_sys::Response::new_with_opt_str(Some(&text)) {
        call(&cache, "put", &[address(adapter).into(), response.into()]).await;
    }
}
