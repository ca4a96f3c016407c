//! The boundary: what JavaScript sees. Everything takes `&self` and answers with a promise; calls on one engine take
//! turns in order; no borrow crosses an await. Errors are thrown as `{ code, message, data }`.
//!
//! Natively there are only the options, so that tests and fuzz targets read them as the worker's messages are read.

pub mod options;

#[cfg(target_arch = "wasm32")]
mod adapters;
#[cfg(target_arch = "wasm32")]
mod answer;
#[cfg(target_arch = "wasm32")]
mod engine;
#[cfg(target_arch = "wasm32")]
mod guides;
#[cfg(target_arch = "wasm32")]
mod inspect;
#[cfg(target_arch = "wasm32")]
mod js;
#[cfg(target_arch = "wasm32")]
mod load;
#[cfg(target_arch = "wasm32")]
mod progress;
#[cfg(target_arch = "wasm32")]
mod recovery;
#[cfg(target_arch = "wasm32")]
mod source;
#[cfg(target_arch = "wasm32")]
mod store;
#[cfg(target_arch = "wasm32")]
mod tuning;

#[cfg(target_arch = "wasm32")]
pub use answer::WasmGeneration;
#[cfg(target_arch = "wasm32")]
pub use engine::WasmEngine;
#[cfg(target_arch = "wasm32")]
pub use inspect::inspect_model;
#[cfg(target_arch = "wasm32")]
pub use store::{delete_stored_model, list_models, storage_estimate, verify_stored_model};

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen::prelude::wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}
