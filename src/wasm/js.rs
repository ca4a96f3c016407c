//! Values across the boundary: errors, objects, clocks, signals.

use js_sys::{Function, Object, Reflect};
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::options::Surroundings;
use crate::error::{Error, Result};
use crate::weights::Cancel;

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let thrown = Object::new();
        let put = |key: &str, value: JsValue| Reflect::set(&thrown, &key.into(), &value).is_ok();
        put("code", error.code().into());
        put("message", error.message().into());
        put("data", to_js(error.data()).unwrap_or_else(|_| Object::new().into()));
        thrown.into()
    }
}

pub(super) fn to_js<T: Serialize>(value: &T) -> Result<JsValue> {
    let serializer = Serializer::json_compatible();
    value.serialize(&serializer).map_err(|error| Error::internal(error.to_string()))
}

pub(super) fn from_js<T: for<'de> Deserialize<'de>>(argument: &str, value: JsValue) -> Result<T> {
    serde_wasm_bindgen::from_value(value).map_err(|error| Error::bad_argument(argument, error.to_string()))
}

pub(super) fn field(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

/// Milliseconds of a clock that never goes back.
pub(super) fn now_ms() -> f64 {
    field(&js_sys::global(), "performance")
        .and_then(|performance| {
            let now: Function = field(&performance, "now")?.dyn_into().ok()?;
            now.call0(&performance).ok()?.as_f64()
        })
        .unwrap_or_else(js_sys::Date::now)
}

/// Seconds since local midnight of 1 January 1970, by the reader's clock.
pub(super) fn local_secs() -> i64 {
    let now = js_sys::Date::new_0();
    (now.get_time() / 1000.0 - now.get_timezone_offset() * 60.0) as i64
}

impl Surroundings {
    /// What the browser says.
    pub(super) fn now() -> Self {
        let seed = (js_sys::Math::random() * 9_007_199_254_740_992.0).floor();
        Self { local_secs: local_secs(), seed }
    }
}

/// Fires `cancel` when `signal` does, for as long as it lives.
pub(super) struct AbortLink {
    signal: AbortSignal,
    listener: Closure<dyn FnMut()>,
}

impl AbortLink {
    pub(super) fn new(signal: Option<AbortSignal>, cancel: &Cancel) -> Option<Self> {
        let signal = signal?;
        if signal.aborted() {
            cancel.cancel();
        }
        let cancel = cancel.clone();
        let listener = Closure::<dyn FnMut()>::new(move || cancel.cancel());
        signal.add_event_listener_with_callback("abort", listener.as_ref().unchecked_ref()).ok()?;
        Some(Self { signal, listener })
    }
}

impl Drop for AbortLink {
    fn drop(&mut self) {
        let listener = self.listener.as_ref().unchecked_ref();
        // It can fail only for a listener that is none.
        let _ = self.signal.remove_event_listener_with_callback("abort", listener);
    }
}
