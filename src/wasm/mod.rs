//! The boundary: what JavaScript sees. Everything takes `&self` and answers with a promise; calls on one engine take
//! turns in order; no borrow crosses an await. Errors are thrown as `{ code, message, data }`.

#![cfg(target_arch = "wasm32")]

mod adapters;
mod answer;
mod engine;
mod inspect;
mod js;
mod load;
mod options;
mod progress;
mod recovery;
mod source;
mod store;
mod tuning;

pub use answer::WasmGeneration;
pub use engine::WasmEngine;
pub use inspect::inspect_model;
pub use store::{delete_stored_model, list_models, storage_estimate};

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}
